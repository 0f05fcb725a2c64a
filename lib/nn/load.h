/* load.h - published weights into a model's parameters, by rules that rename.
 *
 *	static const itr_load_rule rules[] = {
 *		{ "bert.**",                                  "**" },                   // a prefix taken off, then the rules again
 *		{ "encoder.layer.*.attention.self.query.*",   "layers.*.qkv.*", 0, 3 }, // rows 0/3 of the parameter
 *		{ "encoder.layer.*.attention.self.key.*",     "layers.*.qkv.*", 1, 3 },
 *		{ "**.position_ids" },                                                  // ignorable
 *		{ NULL }
 *	};
 *	itr_params_load_weights(params, weights, rules, err);
 *
 * Strict: every parameter is filled exactly once, and every tensor of the file is used or named ignorable.
 */
#ifndef ITR_NN_LOAD_H
#define ITR_NN_LOAD_H

#include "io/weights.h"
#include "nn/param.h"

enum itr_load_flags {
	ITR_LOAD_TRANSPOSE = 1 << 0, /* a matrix that is stored (in, out): the parameter gets (out, in) */
	/* a kernel that is stored (O, I, H, W): the parameter, (O, H, W, I) or (O, H*W*I), gets it channels last */
	ITR_LOAD_NHWC = 1 << 1,
	ITR_LOAD_FLATTEN = 1 << 2, /* any shape of as many elements will do: (O, I, H, W) into (O, I*H*W) */
	ITR_LOAD_OPTIONAL =
		1 << 3 /* where no parameter has the name that results, the tensor is ignored (a head that this model may lack) */
};

/* pattern: a tensor's whole name. '*' is a run of characters without '.', '**' any run; none may be empty. They are put in order into the
 * '*' and '**' of param. Rules are tried in order, and the first one whose result is a parameter of the model (or that has no param:
 * ignorable) is taken, so the names of several publishers may be listed side by side. A param that is "**" alone takes a prefix off: the
 * rest of the name is looked up from the first rule again. A name that no rule matches is looked up as it is. parts > 1: the tensor fills
 * the part-th of `parts` equal blocks of rows (q, k, v of a fused product). */
typedef struct itr_load_rule {
	const char *pattern;            /* NULL ends the table */
	const char *param;              /* NULL: ignorable */
	int part, parts;
	unsigned flags;                 /* itr_load_flags */
} itr_load_rule;

/* Fills p (sealed) from w. rules may be NULL: names are equal. Shapes that differ only by ones in front or at the end are accepted. 0, or
 * -1 with err: all that is missing, unexpected, filled twice, of another shape, stored as integers or in a type that is not read (up to ten
 * of each and how many more), or a tensor that holds NaN or infinity. */
ITR_MUST_USE int itr_params_load_weights(itr_params *p, const itr_weights *w, const itr_load_rule *rules, itr_err *err);

/* Where the file holds p's arrays among others, or below a name of its own ("encoder_q.", "image_encoder.backbone."): the prefix that gives
 * them, for itr_weights_below; "" when they are there without one, or nowhere. It is the first one of the file that gives at least a third
 * of p's parameters and more than any before. p need not be sealed; shapes do not matter. The caller frees. */
char *itr_params_prefix(itr_params *p, const itr_weights *w, const itr_load_rule *rules);

#endif
