#include "options/extract.h"

#include <stdlib.h>
#include <string.h>

const itr_option itr_extract_option_table[] = {
	ITR_OPT_HEADING("Manifest to feature store:"),
	ITR_OPT_STR("image-encoder", 0, itr_extract_options, image_encoder, "NAME", "encoder of the images (--list)"),
	ITR_OPT_STR("text-encoder", 0, itr_extract_options, text_encoder, "NAME", "encoder of the captions (--list)"),
	ITR_OPT_STR("weights", 0, itr_extract_options, weights, "PATH", "weights of both encoders"),
	ITR_OPT_STR("image-weights", 0, itr_extract_options, image_weights, "PATH", "weights of the image encoder"),
	ITR_OPT_STR("text-weights", 0, itr_extract_options, text_weights, "PATH", "weights of the text encoder"),
	ITR_OPT_STR("vocabulary", 0, itr_extract_options, vocabulary, "FILE",
	            "vocab.txt or merges of the text encoder (default: the one beside its weights)"),
	ITR_OPT_STR("preset", 0, itr_extract_options, preset, "NAME",
	            "preprocessing of the images (default: what the weights were published with)"),
	ITR_OPT_ENUM("precision", 0, itr_extract_options, precision, itr_compute_names, "of the networks' products: fp32, bf16 or int8"),
	ITR_OPT_STR("pooling", 0, itr_extract_options, pooling, "HOW",
	            "cls, mean, max, mean_sqrt_len_tokens, weightedmean or lasttoken, or several joined by +, where the encoder has a "
	            "choice (default: the weights' own)"),
	ITR_OPT_STR("prompt", 0, itr_extract_options, prompt, "TEXT",
	            "put in front of every caption (default: the weights' own default prompt, if they have one)"),
	ITR_OPT_STR("prompt-name", 0, itr_extract_options, prompt_name, "NAME",
	            "the prompt of that name in the weights' config_sentence_transformers.json"),
	ITR_OPT_BOOL("patches", 0, itr_extract_options, patches, "store a vector per patch too, as half floats"),
	ITR_OPT_BOOL("tokens", 0, itr_extract_options, tokens, "store a vector per token too, as half floats"),
	ITR_OPT_INT_IN("max-tokens", 0, itr_extract_options, max_tokens, "N", ITR_BETWEEN(1, 4096), "tokens stored a caption"),
	ITR_OPT_BOOL("normalize", 0, itr_extract_options, normalize, "store unit vectors instead of the encoder's own scale"),
	ITR_OPT_STR("root", 0, itr_extract_options, root, "DIR", "folder that image paths are relative to (default: the manifest's)"),
	ITR_OPT_ENUM("alpha", 0, itr_extract_options, alpha, itr_alpha_names,
	             "transparent pictures: put on white, or drop the channel as Pillow's convert does"),
	ITR_OPT_BOOL("exif", 0, itr_extract_options, exif, "rotate pictures by their EXIF orientation"),
	ITR_OPT_BOOL("fast-decode", 0, itr_extract_options, fast_decode,
	             "decode JPEGs at 1/2, 1/4 or 1/8 where they are resized below that: faster, slightly other vectors"),
	ITR_OPT_INT_IN("max-failed", 0, itr_extract_options, max_failed, "N", ITR_FROM(0),
	               "damaged pictures to accept; they are listed and skipped with their captions"),
	ITR_OPT_STR("batch-size", 0, itr_extract_options, batch_size, "N", "pictures a batch; auto: the encoder's default"),
	ITR_OPT_INT_IN("part-rows", 0, itr_extract_options, part_rows, "N", ITR_FROM(1), "images a part: what a killed run loses at most"),
	ITR_OPT_STR("shard", 0, itr_extract_options, shard, "I/N", "only the I-th of N slices (from 0), as a store of its own"),
	ITR_OPT_BOOL("merge", 0, itr_extract_options, merge, "join the stores named as arguments (shards) into one"),
	ITR_OPT_HEADING("Feature store to embeddings:"),
	ITR_OPT_STR("model", 0, itr_extract_options, model, "FILE",
	            "model that maps both sides into one space ({train}); one with towers takes a manifest"),
	ITR_OPT_STR("split", 0, itr_extract_options, split, "NAME", "only the rows of train, val, test or restval (default: all)"),
	ITR_OPT_INTS_IN("project", 0, itr_extract_options, project, "D...", ITR_BETWEEN(1, 65536),
	                "sizes to write, by Gaussian projection (default: the model's own)"),
	ITR_OPT_INTS_IN("truncate", 0, itr_extract_options, truncate, "D...", ITR_BETWEEN(1, 65536),
	                "sizes to write, by cutting off (Matryoshka)"),
	ITR_OPT_BOOL("shuffle-queries", 0, itr_extract_options, shuffle_queries, "permute captions and ground truth together"),
	ITR_OPT_HEADING("Other:"),
	ITR_OPT_BOOL("verify", 0, itr_extract_options, verify,
	             "check a store for NaN, zero, repeated and constant vectors"),
	ITR_OPT_STR("against", 0, itr_extract_options, against, "FILE",
	            "with --verify: the cosine of each row to the same row of this store (another precision)"),
	ITR_OPT_BOOL("list", 0, itr_extract_options, list, "list the encoders"),
	ITR_OPT_END
};

void itr_extract_options_init(itr_extract_options *o)
{
	*o = (itr_extract_options){ .batch_size = "auto", .max_tokens = 32, .part_rows = 4096 };
}

int itr_extract_options_of(itr_extract_opts *x, const itr_extract_options *o, const itr_tool *t, itr_err *err)
{
	*x = (itr_extract_opts){
		.model = o->model,
		.image_encoder = o->image_encoder,
		.text_encoder = o->text_encoder,
		.pooling = o->pooling,
		.prompt = o->prompt,
		.prompt_name = o->prompt_name,
		.vocabulary = o->vocabulary,
		.preset = o->preset,
		.compute = (itr_compute)o->precision,
		.image_weights = o->image_weights ? o->image_weights : o->weights,
		.text_weights = o->text_weights ? o->text_weights : o->weights,
		.patches = o->patches,
		.tokens = o->tokens,
		.normalize = o->normalize,
		.max_tokens = o->max_tokens,
		.part_rows = o->part_rows,
		.max_failed = o->max_failed,
		.threads = t->threads,
		.interrupted = &itr_interrupted,
	};
	if (o->shard && itr_extract_shard(x, o->shard, err) < 0)
		return itr_err_prefix(err, "--shard: ");
	const struct { const char *name; bool given;
	} own[] = {
		{ "image-encoder", o->image_encoder },
		{ "text-encoder", o->text_encoder },
		{ "weights", x->image_weights || x->text_weights },
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
	char *end = NULL;
	x->batch = strcmp(o->batch_size, "auto") ? strtoll(o->batch_size, &end, 10) : 0;
	if ((end && (end == o->batch_size || *end)) || x->batch < 0 || x->batch > 65536)
		return itr_err_set(err, "--batch-size is auto, or from 1 to 65536");
	return 0;
}
