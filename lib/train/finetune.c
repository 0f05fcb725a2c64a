#include "train/finetune.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "data/split_record.h"
#include "encode/encode.h"
#include "tensor/rows.h"

static const char *const without_weights[2] = { "hash", "classic" };
static const char *const bn_names[] = { [ITR_BN_AUTO] = "auto", [ITR_BN_BATCH] = "batch", [ITR_BN_RUNNING] = "running", NULL };

const itr_option itr_finetune_options[] = {
	ITR_OPT_STR("image-encoder", 0, itr_finetune_opts, encoder[1], "NAME",
	            "image tower, or encoder of the images if only the text tower is trained (classic)"),
	ITR_OPT_STR("image-weights", 0, itr_finetune_opts, weights[1], "PATH",
	            "published weights of the image tower (default: random initialisation)"),
	ITR_OPT_STR("text-encoder", 0, itr_finetune_opts, encoder[0], "NAME",
	            "text tower, or encoder of the captions if only the image tower is trained (hash)"),
	ITR_OPT_STR("text-weights", 0, itr_finetune_opts, weights[0], "PATH",
	            "published weights of the text tower (default: random initialisation)"),
	ITR_OPT_STR("vocabulary", 0, itr_finetune_opts, vocabulary, "FILE",
	            "vocabulary of the text tower (default: in the folder of the weights, or the words of the training captions)"),
	ITR_OPT_INT_IN("vocabulary-size", 0, itr_finetune_opts, vocabulary_size, "N", ITR_BETWEEN(5, ITR_TRAIN_MOST),
	               "size of the vocabulary: the most frequent words of the training captions"),
	ITR_OPT_INT_IN("max-tokens", 0, itr_finetune_opts, max_tokens, "N", ITR_BETWEEN(0, ITR_TRAIN_MOST),
	               "truncate captions to N tokens; 0: the tower's maximum"),
	ITR_OPT_ENUM("pooling", 0, itr_finetune_opts, pooling, itr_pooling_names, "pooling of a transformer's token vectors"),
	ITR_OPT_STR("preset", 0, itr_finetune_opts, preset, "NAME",
	            "preprocessing of pictures; default: what the weights were published with"),
	ITR_OPT_ENUM("augment", 0, itr_finetune_opts, augment, itr_augment_names,
	             "augmentation of training pictures: flip: horizontal flip; crop: also random resized crop; full: also colour jitter"),
	ITR_OPT_NUM_IN("crop-scale", 0, itr_finetune_opts, crop_scale, "A", ITR_UP_TO(0, 1),
	               "smallest share of the picture's area in a random resized crop"),
	ITR_OPT_NUM_IN("jitter", 0, itr_finetune_opts, jitter, "J", ITR_BETWEEN(0, 1),
	               "brightness, contrast and saturation change by a factor from 1 - J to 1 + J"),
	ITR_OPT_NUM_IN("tower-lr", 0, itr_finetune_opts, tower_lr, "FACTOR", ITR_FROM(0),
	               "the towers' learning rate is FACTOR times --lr; 0: 0.1 with published weights, 1 from scratch"),
	ITR_OPT_ENUM("bn", 0, itr_finetune_opts, bn, bn_names,
	             "BatchNorm uses batch or running statistics; auto: batch statistics only if trained from scratch"),
	ITR_OPT_STR("freeze-layers", 0, itr_finetune_opts, freeze_layers, "LIST",
	            "parts of the trained towers that are frozen: N (stem and first N blocks), or names with * ('conv1,bn1,layer1')"),
	ITR_OPT_BOOL("freeze-bn", 0, itr_finetune_opts, freeze_bn, "freeze the weights and biases of BatchNorm"),
	ITR_OPT_BOOL("gradient-checkpointing", 0, itr_finetune_opts, gradient_checkpointing,
	             "keep only the input of each block, recompute the rest in the backward pass: less memory, slower"),
	ITR_OPT_INT_IN("max-failed", 0, itr_finetune_opts, max_failed, "N", ITR_FROM(0),
	               "largest number of undecodable pictures; they are listed and skipped with their captions"),
	ITR_OPT_END
};


enum { CROPPED = 2 };                   /* "crop" of itr_augment_names */
const itr_finetune_opts itr_finetune_defaults = { .vocabulary_size = 10000, .augment = CROPPED, .crop_scale = 0.5, .jitter = 0.2 };

int itr_finetune_check(const itr_finetune_opts *o, itr_err *err)
{
	for (int side = 0; side < 2; side++)
		if (o->train[side] && !o->encoder[side])
			return itr_err_set(err, "'--finetune' needs to know which network: --%s-encoder NAME", itr_modality_names[side]);
	return o->max_tokens == 1 ? itr_err_set(err, "'--max-tokens' is 0 or at least 2") : 0;
}

/* --- towers --------------------------------------------------------------------------------------------------------------------------- */

/* Is NAME a network of this side, and do the options about it fit together? 1: a tower, 0: an encoder without weights, -1 with err. */
static int kind_of(const itr_finetune_opts *o, int side, itr_err *err)
{
	const char *name = o->encoder[side] ? o->encoder[side] : without_weights[side];
	const itr_tower_ops *ops = itr_tower_find(name, (itr_modality)side, err);
	if (!ops)
		return -1;
	if (!ops->forward && o->train[side])
		return itr_err_set(err, "'%s' has nothing to train: --finetune %s needs a network as --%s-encoder", name,
		                   itr_modality_names[side], itr_modality_names[side]);
	if (!ops->forward)
		return o->weights[side] ? itr_err_set(err, "'%s' takes no weights", name) : 0;
	if (!o->train[side] && !o->weights[side])
		return itr_err_set(err, "'%s' with random weights that are not trained gives noise: --%s-weights, or --finetune %s", name,
		                   itr_modality_names[side], itr_modality_names[side]);
	return 1;
}

/* Words of the training captions; every other kind of vocabulary is published with its weights. */
static itr_tokenizer *words_of(const itr_finetune *f, int64_t size, itr_err *err)
{
	itr_word_counter *c = itr_word_counter_new();
	int64_t lines;
	const itr_row_table *t = &f->data.table;
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		if (t->part[ITR_TEXT][i] == ITR_TRAIN || t->part[ITR_TEXT][i] == ITR_RESTVAL)
			itr_word_counter_add(c, f->set.table.caption[i], strlen(f->set.table.caption[i]));
	char *text = itr_word_counter_vocab(c, 1, size, &lines);
	itr_tokenizer *k = itr_tokenizer_parse("words", "words of the training captions", text, strlen(text), NULL, err);
	itr_info("vocabulary: %lld words of the training captions", (long long)lines);
	itr_word_counter_free(c);
	free(text);
	return k;
}

static itr_tower *open_tower(const itr_finetune *f, const itr_finetune_opts *o, int side, itr_err *err)
{
	const itr_tower_ops *ops = itr_tower_find(o->encoder[side], (itr_modality)side, err);
	const bool scratch = !o->weights[side];
	itr_tower_opts t = { .weights = o->weights[side],
		             .vocabulary = side == ITR_TEXT ? o->vocabulary : NULL,
		             .preset = side == ITR_IMAGE ? o->preset : NULL,
		             .pooling = side == ITR_TEXT ? (itr_pooling)o->pooling : ITR_POOL_DEFAULT,
		             .batch_statistics = o->train[side] && (o->bn == ITR_BN_BATCH || (o->bn == ITR_BN_AUTO && scratch)),
		             .max_tokens = o->max_tokens,
		             .seed = o->seed,
		             .threads = o->threads };
	if (side == ITR_TEXT && scratch && !o->vocabulary) {
		if (strcmp(ops->tokenizer, "words")) {
			itr_err_set(err, "'%s' from scratch needs a %s vocabulary: --vocabulary FILE", ops->name, ops->tokenizer);
			return NULL;
		}
		if (!(t.tokenizer = words_of(f, o->vocabulary_size, err)))
			return NULL;
	}
	if (scratch)
		itr_info("'%s' begins with random weights%s", ops->name, t.batch_statistics ? ", BatchNorm by the batch" : "");
	return itr_tower_open(o->encoder[side], (itr_modality)side, &t, err);
}

/* --- what is trained, and how fast ---------------------------------------------------------------------------------------------------- */

static bool begins(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

/* gamma and beta of every normalisation that has running statistics. */
static void freeze_norms(itr_params *p)
{
	static const char tail[] = ".running_mean";
	for (int64_t i = 0; i < itr_params_count(p); i++) {
		const char *name = itr_params_at(p, i)->name;
		const size_t n = strlen(name), cut = sizeof tail - 1;
		if (n < cut || strcmp(name + n - cut, tail))
			continue;
		for (int k = 0; k < 2; k++) {
			char *other = itr_xasprintf("%.*s.%s", (int)(n - cut), name, k ? "bias" : "weight");
			itr_param *q = itr_params_find(p, other);
			if (q)
				q->frozen = true;
			free(other);
		}
	}
}

static void set_rates(itr_model *m, const itr_finetune_opts *o)
{
	for (int64_t i = 0; i < itr_params_count(m->params); i++) {
		itr_param *q = itr_params_at(m->params, i);
		for (int side = 0; side < 2; side++)
			if (begins(q->name, side ? "image_encoder." : "text_encoder."))
				q->lr_scale = o->tower_lr > 0 ? o->tower_lr : o->weights[side] ? 0.1 : 1;
	}
	if (o->freeze_bn)
		freeze_norms(m->params);
}

/* How much of the trained towers stays as it is. */
static void say_fixed(const itr_model *m, const char *layers)
{
	int64_t fixed = 0, all = 0;
	for (int side = 0; side < 2; side++)
		for (int64_t i = 0; m->tower[side] && m->trained[side] && i < m->tower[side]->n_params; i++) {
			const itr_param *q = itr_params_at(m->params, m->tower[side]->first_param + i);
			all += q->count;
			fixed += q->constant ? q->count : 0;
		}
	itr_info("frozen by '%s': %.2f of %.2f million parameters, which take no gradients and no moments", layers, (double)fixed / 1e6,
	         (double)all / 1e6);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------------------ */

/* Unit rows of the side that is not trained, once, by m's tower. That is not packed yet where it is the model's, for folding a BatchNorm
 * into the layer before it changes bits. */
static int make_rows(itr_finetune *f, const itr_model *m, itr_modality side, const itr_finetune_opts *o, itr_err *err)
{
	itr_embeddings_side *s = &f->data.side[side];
	const itr_encode_inputs_opts eo = { .unit = true, .before_head = true, .threads = o->threads, .stop = o->stop };
	s->dim = m->front[side]->dim;
	s->rows = itr_encode_inputs(&f->set, m, side, &eo, NULL, f->data.table.n[side], err);
	return s->rows ? 0 : -1;
}

/* The same by a tower without weights. */
static int make_rows_by(itr_finetune *f, const char *name, itr_modality side, const itr_finetune_opts *o, itr_err *err)
{
	itr_model_opts mo = { .threads = o->threads };
	mo.tower[side].name = name;
	itr_model *m = itr_model_open(NULL, &mo, err);
	const int rc = m ? make_rows(f, m, side, o, err) : -1;
	itr_model_free(m);
	return rc;
}

static int build(itr_finetune *f, const char *model, const itr_model_config *config, const itr_finetune_opts *o, const int tower[2],
                 itr_err *err)
{
	itr_tower *w[2] = { NULL, NULL };
	itr_model_config c = *config;
	itr_embeddings *d = &f->data;
	for (int side = 0; side < 2; side++) {
		const char *name = o->encoder[side] ? o->encoder[side] : without_weights[side];
		d->side[side].encoder = itr_xstrdup(name);
		if (tower[side] && !(w[side] = open_tower(f, o, side, err))) {
			itr_tower_free(w[ITR_TEXT]);
			return -1;
		}
		if (!tower[side] && make_rows_by(f, name, (itr_modality)side, o, err) < 0) {
			itr_tower_free(w[ITR_TEXT]);
			return -1;
		}
	}
	c.text_dim = d->side[ITR_TEXT].dim;
	c.image_dim = d->side[ITR_IMAGE].dim;
	if (o->freeze_layers && itr_towers_freeze(w, o->train, o->freeze_layers, err) < 0) {
		itr_tower_free(w[ITR_TEXT]);
		itr_tower_free(w[ITR_IMAGE]);
		return -1;
	}
	if (!(f->model = itr_model_new_towers(model, &c, w, o->train, o->seed, err)))
		return -1;
	set_rates(f->model, o);
	if (o->freeze_layers)
		say_fixed(f->model, o->freeze_layers);
	for (int side = 0; side < 2; side++)
		if (tower[side] && !o->train[side]) {
			itr_info("%s vectors by '%s', once", itr_modality_names[side], o->encoder[side]);
			if (make_rows(f, f->model, (itr_modality)side, o, err) < 0)
				return -1;
		}
	return 0;
}

int itr_finetune_open(itr_finetune *f, const char *path, const char *model, const itr_model_config *c, const itr_finetune_opts *o,
                      itr_err *err)
{
	int tower[2];
	memset(f, 0, sizeof *f);
	for (int side = 0; side < 2; side++)
		if ((tower[side] = kind_of(o, side, err)) < 0)
			return -1;
	const itr_image_text_opts pictures = {
		.check_pictures = true, .max_failed = o->max_failed, .pairs_only = true, .threads = o->threads, .stop = o->stop
	};
	if (itr_split_parse(f->sizes, o->split_sizes, err) < 0 || itr_image_text_set_open(&f->set, path, &pictures, err) < 0)
		return -1;
	itr_row_table_part(&f->data.table, &f->set.table, NULL);
	f->data.pictures = f->set.pictures;
	if (itr_split_assign_rows(&f->data.table, f->sizes, o->seed, &(itr_split_rule){ .by = ITR_SPLIT_BY_IMAGE }, err) == 0 &&
	    build(f, model, c, o, tower, err) == 0)
		return 0;
	itr_finetune_free(f);
	return -1;
}

void itr_finetune_free(itr_finetune *f)
{
	itr_model_free(f->model);
	itr_embeddings_free(&f->data);
	itr_image_text_set_free(&f->set);
	memset(f, 0, sizeof *f);
}

/* Is there a normalisation whose running statistics move? */
static bool has_live_norms(const itr_tower *w)
{
	for (int64_t i = 0; i < w->n_params; i++) {
		const itr_param *q = itr_params_at(w->params, w->first_param + i);
		if (strstr(q->name, ".running_mean") && !q->constant)
			return true;
	}
	return false;
}

int itr_finetune_check_batches(const itr_finetune *f, int64_t batch, int64_t chunk, itr_err *err)
{
	const itr_model *m = f->model;
	int64_t last;
	if (!m->tower[ITR_IMAGE] || !m->trained[ITR_IMAGE] || !m->tower[ITR_IMAGE]->config.batch_statistics ||
	    !has_live_norms(m->tower[ITR_IMAGE]))
		return 0;
	const int64_t n = itr_row_table_count(&f->data.table, ITR_TRAIN);
	last = n % batch ? n % batch : batch;
	if (chunk > 0 && chunk < batch)
		return itr_err_set(
			err, "--bn batch takes its statistics from a whole batch, --grad-cache cuts it into chunks: --bn running with it");
	if (batch > 1 && last > 1)
		return 0;
	return batch == 1 ? itr_err_set(err, "--bn batch takes its statistics from the pictures of a batch, and one picture has none to "
	                                     "compare with: a larger --batch-size, or --bn running")
	                  : itr_err_set(err,
	                                "%lld pairs in batches of %lld leave one over, which --bn batch cannot take statistics of: another "
	                                "--batch-size, or --bn running",
	                                (long long)n, (long long)batch);
}
