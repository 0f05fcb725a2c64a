/* What a command line says of an extraction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode/extract.h"

const itr_option itr_extract_options[] = {
	ITR_OPT_STR("image-encoder", 0, itr_extract_opts, image_encoder, "NAME", "image encoder (see --list)"),
	ITR_OPT_STR("text-encoder", 0, itr_extract_opts, text_encoder, "NAME", "text encoder (see --list)"),
	ITR_OPT_STR("weights", 0, itr_extract_opts, weights, "PATH", "weights of both encoders"),
	ITR_OPT_STR("image-weights", 0, itr_extract_opts, image_weights, "PATH", "weights of the image encoder"),
	ITR_OPT_STR("text-weights", 0, itr_extract_opts, text_weights, "PATH", "weights of the text encoder"),
	ITR_OPT_STR("vocabulary", 0, itr_extract_opts, vocabulary, "FILE",
	            "vocab.txt or merges of the text encoder (default: in the folder of its weights)"),
	ITR_OPT_STR("preset", 0, itr_extract_opts, preset, "NAME",
	            "preprocessing of the images (default: what the weights were published with)"),
	ITR_OPT_ENUM("precision", 0, itr_extract_opts, compute, itr_compute_names, "precision of the networks' matrix products"),
	ITR_OPT_STR("pooling", 0, itr_extract_opts, pooling, "HOW",
	            "cls, mean, max, mean_sqrt_len_tokens, weightedmean or lasttoken, or several joined by +, where the encoder has a "
	            "choice (default: the weights' own)"),
	ITR_OPT_STR("prompt", 0, itr_extract_opts, prompt, "TEXT",
	            "prefix of every caption (default: the default prompt of the weights, if there is one)"),
	ITR_OPT_STR("prompt-name", 0, itr_extract_opts, prompt_name, "NAME",
	            "the prompt of that name in the weights' config_sentence_transformers.json"),
	ITR_OPT_BOOL("patches", 0, itr_extract_opts, patches, "also store one vector per patch, as float16"),
	ITR_OPT_BOOL("tokens", 0, itr_extract_opts, tokens, "also store one vector per token, as float16"),
	ITR_OPT_INT_IN("max-tokens", 0, itr_extract_opts, max_tokens, "N", ITR_BETWEEN(1, 4096), "tokens stored per caption"),
	ITR_OPT_BOOL("normalize", 0, itr_extract_opts, normalize,
	             "L2-normalize the stored vectors (default: the encoder's output unchanged)"),
	ITR_OPT_INT_IN("max-failed", 0, itr_extract_opts, max_failed, "N", ITR_FROM(0),
	               "largest number of damaged pictures; they are listed and skipped with their captions"),
	ITR_OPT_STR("batch-size", 0, itr_extract_opts, batch_size, "N", "pictures per batch; auto: the encoder's default"),
	ITR_OPT_INT_IN("part-rows", 0, itr_extract_opts, part_rows, "N", ITR_FROM(1),
	               "images per part; a killed run loses at most one part"),
	ITR_OPT_STR("shard", 0, itr_extract_opts, slice, "I/N", "only the I-th of N slices (from 0), as a separate store"),
	ITR_OPT_END
};

const itr_extract_opts itr_extract_defaults = { .batch_size = "auto", .max_tokens = 32, .part_rows = 4096 };

/* "I/N", 0 <= I < N. */
static int parse_slice(itr_extract_opts *o, itr_err *err)
{
	char end;
	long long i = 0, n = 0;
	if (sscanf(o->slice, "%lld/%lld%c", &i, &n, &end) != 2 || n < 1 || n > 1 << 30 || i < 0 || i >= n)
		return itr_err_set(err, "--shard: '%s' is not I/N with 0 <= I < N", o->slice);
	o->shard = i;
	o->shards = n;
	return 0;
}

static int parse_batch(itr_extract_opts *o, itr_err *err)
{
	char *end = NULL;
	o->batch = strcmp(o->batch_size, "auto") ? strtoll(o->batch_size, &end, 10) : 0;
	if ((end && (end == o->batch_size || *end)) || o->batch < 0 || o->batch > 65536)
		return itr_err_set(err, "--batch-size is auto, or from 1 to 65536");
	return 0;
}

int itr_extract_complete(itr_extract_opts *o, itr_err *err)
{
	o->image_weights = o->image_weights ? o->image_weights : o->weights;
	o->text_weights = o->text_weights ? o->text_weights : o->weights;
	if (o->slice && parse_slice(o, err) < 0)
		return -1;
	const struct { const char *name; bool given;
	} own[] = {
		{ "image-encoder", o->image_encoder },
		{ "text-encoder", o->text_encoder },
		{ "weights", o->image_weights || o->text_weights },
		{ "vocabulary", o->vocabulary },
		{ "preset", o->preset },
		{ "pooling", o->pooling },
		{ "prompt", o->prompt },
		{ "prompt-name", o->prompt_name },
	};
	for (int i = 0; i < ITR_LEN(own) && o->model; i++)
		if (own[i].given)
			return itr_err_set(err, "the model brings its own encoders: '--%s' does not go with '--model' on a manifest",
			                   own[i].name);
	if (o->prompt && o->prompt_name)
		return itr_err_set(err, "--prompt and --prompt-name both name a prompt: give one");
	if (!o->image_encoder && !o->text_encoder && !o->model)
		return itr_err_set(err, "give --image-encoder, --text-encoder or both (--list shows them)");
	return parse_batch(o, err);
}
