/* extract.h - the options of `extract-features`: the table, what it starts from, and the extraction that they describe. */
#ifndef ITR_OPTIONS_EXTRACT_H
#define ITR_OPTIONS_EXTRACT_H

#include "cli/tool.h"
#include "encode/extract.h"

typedef struct itr_extract_options {
	bool list, merge, verify, patches, tokens, normalize, exif, fast_decode, shuffle_queries;
	const char *image_encoder, *text_encoder, *weights, *image_weights, *text_weights, *pooling, *prompt, *prompt_name, *vocabulary,
		*preset, *root, *shard, *model, *split, *against;
	const char *batch_size;
	int64_t max_tokens, part_rows, max_failed;
	int alpha, precision;
	itr_ints project, truncate;
} itr_extract_options;

extern const itr_option itr_extract_option_table[];
void itr_extract_options_init(itr_extract_options *o);

/* What --image-encoder, --model and the rest ask for. -1 with err: wrong use. Progress is the caller's. */
ITR_MUST_USE int itr_extract_options_of(itr_extract_opts *x, const itr_extract_options *o, const itr_tool *t, itr_err *err);

#endif
