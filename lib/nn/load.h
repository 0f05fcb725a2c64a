/* load.h - loads published weights into the parameters of a model, with rules that map names.
 *
 *	static const itr_load_rule rules[] = {
 *		{ "bert.**",                                  "**" },                   // removes a prefix, then the rules again
 *		{ "encoder.layer.*.attention.self.query.*",   "layers.*.qkv.*", 0, 3 }, // rows 0/3 of the parameter
 *		{ "encoder.layer.*.attention.self.key.*",     "layers.*.qkv.*", 1, 3 },
 *		{ "**.position_ids" },                                                  // ignored
 *		{ NULL }
 *	};
 *	itr_params_load_weights(params, weights, rules, err);
 *
 * Strict: every parameter is set exactly once, and every tensor of the file is used or matches a rule without a parameter.
 */
#ifndef ITR_NN_LOAD_H
#define ITR_NN_LOAD_H

#include "io/weights.h"
#include "nn/param.h"

enum itr_load_flags {
	ITR_LOAD_TRANSPOSE = 1 << 0, /* a matrix stored as (in, out), for a parameter (out, in) */
	/* a kernel stored as (O, I, H, W), for a parameter (O, H, W, I) or (O, H*W*I): channels last */
	ITR_LOAD_NHWC = 1 << 1,
	ITR_LOAD_FLATTEN = 1 << 2, /* accepts any shape with the same number of elements: (O, I, H, W) for (O, I*H*W) */
	ITR_LOAD_OPTIONAL =
		1 << 3 /* the tensor is ignored when there is no parameter of the resulting name (a head that the model may not have) */
};

/* pattern: matches the whole name of a tensor. '*' matches characters other than '.', '**' any characters; both at least one. The matches
 * replace the '*' and '**' of param, in order. Rules are tried in order; the first one whose result is a parameter of the model, or that
 * has no param (the tensor is ignored), is used, so the names of several publishers may be listed. With param "**" the match is looked up
 * again from the first rule. A name that no rule matches is looked up unchanged. parts > 1: the tensor is block `part` of `parts` equal
 * blocks of rows of the parameter (q, k, v of a fused product). */
typedef struct itr_load_rule {
	const char *pattern;            /* NULL ends the table */
	const char *param;              /* NULL: ignore the tensor */
	int part, parts;
	unsigned flags;                 /* itr_load_flags */
} itr_load_rule;

/* Sets p (sealed) from w. rules NULL: the names are equal. Shapes that differ only by leading or trailing ones are accepted. 0, or -1 with
 * err, which lists all names that are missing, unexpected, set twice, of another shape, stored as integers or in an unsupported type (up to
 * ten of each and the number of others), or a tensor with NaN or infinity. */
ITR_MUST_USE int itr_params_load_weights(itr_params *p, const itr_weights *w, const itr_load_rule *rules, itr_err *err);

/* The prefix of p's tensors in a file that has others, too ("encoder_q.", "image_encoder.backbone."), for itr_weights_below; "" when they
 * have no prefix or are not in the file. It is the prefix that matches the most parameters of p, at least a third; on ties the first in the
 * file. p need not be sealed; shapes are not compared. The caller frees. */
char *itr_params_prefix(itr_params *p, const itr_weights *w, const itr_load_rule *rules);

#endif
