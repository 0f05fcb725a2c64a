#include "encode/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "encode/part.h"

enum { PART_ROWS = 4096, BATCH = 64 };

static void shard_range(int64_t all, const itr_extract_opts *o, int64_t *first, int64_t *end)
{
	int64_t k = o->shards > 0 ? o->shards : 1, i = o->shards > 0 ? o->shard : 0;
	*first = all / k * i + all % k * i / k;
	*end = all / k * (i + 1) + all % k * (i + 1) / k;
}

int64_t itr_extract_count(const itr_image_text_set *s, const itr_extract_opts *o)
{
	int64_t first, end;
	shard_range(s->table.n[ITR_IMAGE], o, &first, &end);
	return end - first;
}

/* --- what to make -------------------------------------------------------------------------------------------------------------------- */

static itr_features_side side_of(const itr_extract_job *j, itr_modality side)
{
	const itr_model_side *e = side == ITR_IMAGE ? j->image : j->text;
	const itr_extract_opts *o = j->o;
	if (!e)
		return (itr_features_side){ .encoder = NULL };
	return (itr_features_side){
		.encoder = e->encoder,
		.weights_sha256 = e->weights_sha256,
		.preprocess = j->preprocess[side],
		.normalized = o->normalize,
		.dim = e->dim,
		.grid = side == ITR_IMAGE && o->patches ? e->grid : 0,
		.patch_dim = side == ITR_IMAGE && o->patches ? e->state_dim : 0,
		.max_tokens = side == ITR_TEXT && o->tokens ? o->max_tokens : 0,
		.token_dim = side == ITR_TEXT && o->tokens ? e->state_dim : 0,
	};
}

/* Vectors of scaled pictures are other vectors: the stored preprocessing, and with it the key of every part, says so. */
static int say_fast_decode(itr_extract_job *j, itr_err *err)
{
	const itr_model_side *e = j->image;
	char *to = j->preprocess[ITR_IMAGE];
	const size_t n = strlen(to);
	if (!e || e->fast_side <= 0)
		return itr_err_set(err, "--fast-decode: %s%s%s", e ? "encoder '" : "there is no image encoder", e ? e->encoder : "",
		                   e ? "' wants the full picture" : "");
	snprintf(to + n, sizeof e->preprocess - n, "; JPEG at 1/2, 1/4, 1/8 not below %d", e->fast_side);
	return 0;
}

/* An option about a network says nothing where there is none, and "int8" in the record of a store of classic features would be untrue. */
static int check_meant(const itr_extract_opts *o, itr_err *err)
{
	const char *const name[2] = { o->text_encoder, o->image_encoder };
	bool tower[2] = { false, false };
	const bool both = o->image_weights && o->image_weights == o->text_weights;
	for (int side = 0; side < 2; side++) {
		const itr_tower_ops *ops = name[side] ? itr_tower_find(name[side], (itr_modality)side, err) : NULL;
		if (name[side] && !ops)
			return -1;
		tower[side] = ops && ops->forward;
	}
	const struct { const char *option, *which; bool given, means;
	} all[] = {
		{ "weights", "", both, tower[0] || tower[1] },
		{ "precision", "", o->compute != ITR_COMPUTE_F32, tower[0] || tower[1] },
		{ "image-weights", "image ", !both && o->image_weights, tower[1] },
		{ "preset", "image ", o->preset, tower[1] },
		{ "text-weights", "text ", !both && o->text_weights, tower[0] },
		{ "vocabulary", "text ", o->vocabulary, tower[0] },
		{ "pooling", "text ", o->pooling, tower[0] },
		{ "prompt", "text ", o->prompt, tower[0] },
		{ "prompt-name", "text ", o->prompt_name, tower[0] },
	};
	for (int i = 0; i < ITR_LEN(all); i++)
		if (all[i].given && !all[i].means)
			return itr_err_set(err, "--%s would change nothing: no %sencoder given here is a network with weights (--list)",
			                   all[i].option, all[i].which);
	return 0;
}

static int open_model(itr_extract_job *j, itr_err *err)
{
	const itr_extract_opts *o = j->o;
	itr_model_opts mo = { .tower = { { .name = o->text_encoder,
		                           .weights = o->text_weights,
		                           .vocabulary = o->vocabulary,
		                           .prompt = o->prompt,
		                           .prompt_name = o->prompt_name },
		                         { .name = o->image_encoder, .weights = o->image_weights, .preset = o->preset } },
		              .raw = ITR_HAS_TEXT | ITR_HAS_IMAGE,
		              .compute = (itr_compute)o->compute,
		              .threads = o->threads };
	if (!o->image_encoder && !o->text_encoder && !o->model)
		return itr_err_set(err, "no encoder: give --image-encoder, --text-encoder or both (--list shows them)");
	if (!o->model && check_meant(o, err) < 0)
		return -1;
	if (o->pooling && itr_pooling_parse(o->pooling, &mo.tower[ITR_TEXT].pooling, err) < 0)
		return itr_err_prefix(err, "--pooling: ");
	if (!(j->model = itr_model_open(o->model, &mo, err)))
		return -1;
	const itr_model_side *side = itr_model_about(j->model)->side;
	j->text = side[ITR_TEXT].raw ? &side[ITR_TEXT] : NULL;
	j->image = side[ITR_IMAGE].raw ? &side[ITR_IMAGE] : NULL;
	for (int s = 0; s < 2; s++)
		snprintf(j->preprocess[s], sizeof j->preprocess[s], "%s", side[s].preprocess);
	j->context = itr_model_context_new(j->model, o->threads);
	if (j->model->closed && o->compute != ITR_COMPUTE_F32 && !side[ITR_TEXT].network && !side[ITR_IMAGE].network)
		return itr_err_set(err, "--precision would change nothing: '%s' is a closed form and has no network", o->model);
	return 0;
}

static int create_encoders(itr_extract_job *j, itr_err *err)
{
	const itr_extract_opts *o = j->o;
	if (open_model(j, err) < 0)
		return -1;
	if (o->model && o->pictures_of_model)
		j->s->pictures = itr_picture_opts_get(j->model->saved);
	if (o->patches && !(j->image && j->image->grid))
		return itr_err_set(err, "--patches: %s%s%s", j->image ? "encoder '" : "there is no image encoder",
		                   j->image ? j->image->encoder : "", j->image ? "' has none" : "");
	if (o->tokens && !(j->text && j->text->state_dim))
		return itr_err_set(err, "--tokens: %s%s%s", j->text ? "encoder '" : "there is no text encoder",
		                   j->text ? j->text->encoder : "", j->text ? "' has none" : "");
	return j->s->pictures.fast ? say_fast_decode(j, err) : 0;
}

static int plan(itr_extract_job *j, itr_err *err)
{
	const itr_extract_opts *o = j->o;
	int64_t end;
	if (create_encoders(j, err) < 0)
		return -1;
	shard_range(j->s->table.n[ITR_IMAGE], o, &j->first, &end);
	j->n = end - j->first;
	if (j->n == 0)
		return itr_err_set(err, "shard %lld/%lld of %lld records is empty", (long long)o->shard, (long long)o->shards,
		                   (long long)j->s->table.n[ITR_IMAGE]);
	j->part_rows = o->part_rows > 0 ? o->part_rows : PART_ROWS;
	j->batch = o->batch > 0 ? o->batch : j->image && j->image->batch ? j->image->batch : BATCH;
	j->layout = (itr_features_layout){ .n_images = j->n, .image = side_of(j, ITR_IMAGE), .text = side_of(j, ITR_TEXT) };
	for (int64_t i = j->first; i < end; i++) {
		j->layout.n_texts += j->s->manifest.records[i].n_captions;
		j->layout.synthetic |= j->s->manifest.records[i].synthetic;
	}
	j->layout.synthetic |= j->model->synthetic;
	j->r->parts = (j->n + j->part_rows - 1) / j->part_rows;
	j->r->layout = j->layout;
	return 0;
}

/* --- the folder of parts -------------------------------------------------------------------------------------------------------------- */

static char *part_path(const char *folder, int64_t index)
{
	return itr_xasprintf("%s/%05lld.h5", folder, (long long)index);
}

/* Takes the folder for this process. The descriptor (closing it gives the folder free), or -1 with err. */
static int lock_folder(const char *folder, const char *out, itr_err *err)
{
	if (itr_path_mkdirs(folder, err) < 0)
		return -1;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return itr_err_errno(err, "cannot open '%s'", folder);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		close(fd);
		return itr_err_set(err, "'%s' is in use: another {extract-features} is writing the same output", folder);
	}
	char *parent = itr_path_dirname(out);
	itr_atomic_remove_stale(folder, "");
	itr_atomic_remove_stale(parent, itr_path_basename(out));
	free(parent);
	return fd;
}

static int check_disk(const itr_extract_job *j, const char *folder, const char *out, int64_t kept, itr_err *err)
{
	int64_t whole = itr_features_bytes(&j->layout), free_bytes = itr_path_free_bytes(folder);
	double share = (double)(j->r->parts - kept) / (double)j->r->parts, need = (double)whole * (1 + share) + 1e6;
	itr_info("'%s' will take about %.1f MB, and its parts as much while it is made", out, (double)whole / 1e6);
	if (free_bytes >= 0 && need > (double)free_bytes)
		return itr_err_set(err,
		                   "'%s' and its parts need %.1f MB more, the disk has %.1f MB: leave out --patches or --tokens, cut with "
		                   "--shard, or use another disk",
		                   out, need / 1e6, (double)free_bytes / 1e6);
	return 0;
}

static void say_failures(const itr_part *p)
{
	for (const char *s = p->failures; s && *s;) {
		int n = (int)strcspn(s, "\n");
		itr_warn("%.*s", n, s);
		s += n + (s[n] != 0);
	}
}

/* Makes the parts that are not there yet. */
static int make_parts(itr_extract_job *j, itr_part *parts, const char *folder, const char *out, itr_err *err)
{
	int64_t done = 0;
	for (int64_t i = 0; i < j->r->parts; i++) {
		char *path = part_path(folder, i);
		itr_part_init(&parts[i], j, i);
		done += itr_path_exists(path) && itr_part_load(&parts[i], j, path);
		if (!parts[i].failures)
			unlink(path);                            /* does not belong to this work: another option, another picture */
		free(path);
	}
	j->r->resumed = done;
	if (done)
		itr_info("resuming: %lld of %lld parts are there", (long long)done, (long long)j->r->parts);
	if (check_disk(j, folder, out, done, err) < 0)
		return -1;
	for (int64_t i = 0; i < j->r->parts; i++) {
		char *path = part_path(folder, i);
		int rc = 0;
		if (parts[i].failures && j->o->progress)
			j->o->progress(j->o->progress_ctx, parts[i].n);
		if (!parts[i].failures)
			rc = itr_part_compute(&parts[i], j, path, err);
		free(path);
		if (rc < 0) {
			if (j->o->interrupted && *j->o->interrupted)
				itr_err_set(err, "interrupted: %lld of %lld parts are finished in '%s'; the same command resumes",
				            (long long)i, (long long)j->r->parts, folder);
			return -1;
		}
		say_failures(&parts[i]);
		j->r->failed += parts[i].n_failed;
		j->r->empty_texts += parts[i].empty_texts;
	}
	return 0;
}

/* --- parts -> store ------------------------------------------------------------------------------------------------------------------- */

struct index {
	itr_features_index x;
	const char **strings;
	char **paths;
	int64_t *text_image;
	const char **labels;            /* names in byte order */
	int64_t *label_start, *label_index;
	int64_t n, m;                   /* images and captions that stay */
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* All names in byte order, and where each has its place. */
static itr_map *collect_names(struct index *x, const itr_record *const *kept)
{
	itr_map *rank = itr_map_new();
	int64_t k = 0;
	for (int64_t i = 0; i < x->n; i++)
		for (int64_t c = 0; c < kept[i]->n_labels; c++)
			k += itr_map_add(rank, kept[i]->labels[c], 0);
	x->labels = itr_xcalloc((size_t)k + 1, sizeof *x->labels);
	for (int64_t c = 0; c < k; c++)
		x->labels[c] = itr_map_key(rank, c);
	if (k)
		qsort(x->labels, (size_t)k, sizeof *x->labels, by_bytes);
	for (int64_t c = 0; c < k; c++)
		itr_map_set(rank, x->labels[c], c);
	x->x.n_labels = k;
	return rank;
}

/* Each picture's labels as a list, ascending; a name that occurs twice is one label. */
static void collect_labels(struct index *x, const itr_record *const *kept)
{
	itr_map *rank = collect_names(x, kept);
	int64_t most = 0, at = 0;
	for (int64_t i = 0; i < x->n; i++)
		most += kept[i]->n_labels;
	x->label_start = itr_xcalloc((size_t)x->n + 1, sizeof *x->label_start);
	x->label_index = itr_xmalloc(((size_t)most + 1) * sizeof *x->label_index);
	for (int64_t i = 0; i < x->n; i++) {
		int64_t *list = x->label_index + at, n = 0;
		for (int64_t c = 0; c < kept[i]->n_labels; c++) {
			list[c] = itr_map_get(rank, kept[i]->labels[c], 0);
			x->labels[list[c]] = kept[i]->labels[c];        /* the map's own keys die with it */
		}
		qsort(list, (size_t)kept[i]->n_labels, sizeof *list, ascending);
		for (int64_t c = 0; c < kept[i]->n_labels; c++)
			if (c == 0 || list[c] != list[n - 1])
				list[n++] = list[c];
		x->label_start[i + 1] = at += n;
	}
	itr_map_free(rank);
	x->x.label = x->labels;
	x->x.label_start = x->label_start;
	x->x.label_index = x->label_index;
}

/* Pictures without a split are split as they were for training, so that evaluate can tell the parts apart; other pictures than those of the
 * training stay without one, and so do those that were split by caption. */
static void assign_split(const struct index *x, const itr_extract_job *j, const char **split)
{
	const itr_split_record *record = &j->model->split;
	itr_err err = ITR_ERR_INIT;
	itr_split_rule rule;
	bool none = x->n > 0 && itr_split_rule_of(&rule, record->by, record->groups) && rule.by != ITR_SPLIT_BY_CAPTION;
	for (int64_t i = 0; i < x->n; i++)
		none &= !split[i][0];
	if (!none)
		return;
	/* the strings and text_image are the index's: only what is made here is freed */
	itr_row_table t = { .n = { x->m, x->n }, .text_image = x->text_image };
	t.id[ITR_IMAGE] = (char **)(intptr_t)x->x.image_id;
	t.n_labels = x->x.n_labels;
	t.label_start = x->label_start;
	t.label = x->label_index;
	t.label_name = (char **)(intptr_t)x->labels;
	if (itr_split_record_apply(record, &t, &err) == 0)
		for (int64_t i = 0; i < x->n; i++)
			split[i] = itr_split_names[t.part[ITR_IMAGE][i]];
	else if (itr_row_table_has_split(&t))
		itr_info("not the pictures, or not all of those, that the model was trained on: no split is stored");
	free(t.part[ITR_TEXT]);
	free(t.part[ITR_IMAGE]);
	free(t.groups);
}

static void build_index(struct index *x, const itr_extract_job *j, const itr_part *parts)
{
	const itr_record **kept = itr_xcalloc((size_t)j->n + 1, sizeof *kept);
	for (int64_t i = 0; i < j->n; i++)
		if (!parts[i / j->part_rows].failed[i % j->part_rows]) {
			kept[x->n++] = &j->s->manifest.records[j->first + i];
			x->m += kept[x->n - 1]->n_captions;
		}
	const char **id = x->strings = itr_xcalloc((size_t)(2 * x->n + 2 * x->m + 1), sizeof *x->strings);
	const char **split = id + x->n, **text_id = split + x->n, **caption = text_id + x->m;
	x->paths = itr_xcalloc((size_t)x->n + 1, sizeof *x->paths);
	x->text_image = itr_xcalloc((size_t)x->m + 1, sizeof *x->text_image);
	for (int64_t i = 0, t = 0; i < x->n; i++) {
		id[i] = kept[i]->id;
		split[i] = kept[i]->split ? kept[i]->split : "";
		x->paths[i] = itr_manifest_image_path(&j->s->manifest, kept[i]);
		for (int64_t c = 0; c < kept[i]->n_captions; c++, t++) {
			text_id[t] = kept[i]->captions[c].id;
			caption[t] = kept[i]->captions[c].text;
			x->text_image[t] = i;
		}
	}
	x->x = (itr_features_index){ .image_id = id,
		                     .image_split = split,
		                     .image_path = (const char *const *)x->paths,
		                     .text_id = text_id,
		                     .caption = caption,
		                     .text_image = x->text_image };
	collect_labels(x, kept);
	if (j->model->path)
		assign_split(x, j, split);
	free(kept);
}

static void free_index(struct index *x)
{
	for (int64_t i = 0; i < x->n; i++)
		free(x->paths[i]);
	free(x->strings);
	free(x->paths);
	free(x->text_image);
	free(x->labels);
	free(x->label_start);
	free(x->label_index);
}

static char *config_text(const itr_extract_job *j)
{
	const itr_extract_opts *o = j->o;
	itr_buf b = ITR_BUF_INIT;
	itr_json *c = itr_json_object();
	if (o->model)
		itr_json_add_str(c, "model", itr_path_basename(o->model));
	itr_json_add_str(c, "image_encoder", o->image_encoder);
	itr_json_add_str(c, "text_encoder", o->text_encoder);
	itr_json_add_str(c, "pooling", o->pooling);
	if (o->prompt)
		itr_json_add_str(c, "prompt", o->prompt);
	if (o->prompt_name)
		itr_json_add_str(c, "prompt_name", o->prompt_name);
	itr_json_add_str(c, "precision", itr_compute_names[o->compute]);
	itr_json_add_bool(c, "patches", o->patches);
	itr_json_add_bool(c, "tokens", o->tokens);
	itr_json_add_int(c, "max_tokens", o->tokens ? o->max_tokens : 0);
	itr_json_add_bool(c, "normalize", o->normalize);
	itr_json_add_str(c, "alpha", itr_alpha_names[j->s->pictures.alpha]);
	itr_json_add_bool(c, "exif", j->s->pictures.exif);
	itr_json_add_bool(c, "fast_decode", j->s->pictures.fast);
	itr_json_print(&b, c, false);
	itr_json_free(c);
	return itr_buf_detach(&b);
}

/* Captions of failed pictures go with them. */
static uint8_t *failed_texts(const itr_extract_job *j, const itr_part *p)
{
	uint8_t *drop = itr_xcalloc((size_t)p->n_texts + 1, 1);
	int64_t t = 0;
	for (int64_t i = 0; i < p->n; i++)
		for (int64_t c = 0; c < j->s->manifest.records[p->first + i].n_captions; c++)
			drop[t++] = p->failed[i];
	return drop;
}

static int copy_part(itr_h5 *to, int64_t *image, int64_t *text, const itr_extract_job *j, const itr_part *p, const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, ITR_FEATURES_PART, err);
	if (!h)
		return -1;
	uint8_t *drop = failed_texts(j, p);
	int rc = itr_features_copy_vectors(to, image, text, h, &j->layout, p->n, p->n_texts, p->failed, drop, err);
	free(drop);
	itr_h5_close(h);
	return rc;
}

static int join_parts(itr_extract_job *j, const itr_part *parts, const char *folder, const char *out, const itr_provenance *p, itr_err *err)
{
	struct index x = { .n = 0 };
	int64_t image = 0, text = 0;
	build_index(&x, j, parts);
	itr_features_layout l = j->layout;
	l.n_images = j->r->images = x.n;
	l.n_texts = j->r->texts = x.m;
	char *config = config_text(j), *provenance = p ? itr_provenance_text(p) : NULL;
	x.x.config = config;
	x.x.provenance = provenance;
	itr_h5 *h = itr_features_create(out, ITR_FEATURES_FORMAT, &l, err);
	int rc = h ? 0 : -1;
	for (int64_t i = 0; i < j->r->parts && rc == 0; i++) {
		char *path = part_path(folder, i);
		rc = copy_part(h, &image, &text, j, &parts[i], path, err);
		free(path);
	}
	if (rc == 0)
		rc = itr_features_write_index(h, &l, &x.x, err);
	if (rc == 0)
		rc = itr_h5_commit(h, err);
	else
		itr_h5_close(h);
	free(config);
	free(provenance);
	free_index(&x);
	return rc;
}

/* The first one is named here too: --quiet has kept the others back. */
static int too_many_failed(const itr_extract_job *j, const itr_part *parts, const char *folder, const char *out, itr_err *err)
{
	int64_t failed = j->r->failed, good = j->n - failed;
	while (!parts->n_failed)
		parts++;
	return itr_err_set(err,
	                   "%lld of %lld images failed, --max-failed allows %lld: '%s' was not written. The first: %.*s. The %lld good "
	                   "ones wait in '%s': repair the others and "
	                   "run the same command again, or accept the loss with --max-failed %lld",
	                   (long long)failed, (long long)j->n, (long long)j->o->max_failed, out, (int)strcspn(parts->failures, "\n"),
	                   parts->failures, (long long)good, folder, (long long)failed);
}

static int run_job(itr_extract_job *j, const char *folder, const char *out, const itr_provenance *p, itr_err *err)
{
	itr_part *parts = itr_xcalloc((size_t)j->r->parts, sizeof *parts);
	int rc = make_parts(j, parts, folder, out, err);
	if (rc == 0 && j->r->failed > j->o->max_failed)
		rc = too_many_failed(j, parts, folder, out, err);
	if (rc == 0)
		rc = join_parts(j, parts, folder, out, p, err);
	if (rc == 0)
		rc = itr_path_remove_tree(folder, err);
	for (int64_t i = 0; i < j->r->parts; i++)
		itr_part_free(&parts[i]);
	free(parts);
	return rc;
}

int itr_extract(itr_image_text_set *s, const char *out, const itr_extract_opts *o, itr_provenance *p, itr_extract_result *r,
                itr_err *err)
{
	*r = (itr_extract_result){ 0 };
	itr_extract_job j = { .s = s, .o = o, .r = r };
	char *folder = itr_xasprintf("%s.parts", out);
	int lock = -1, rc = plan(&j, err);
	if (rc == 0 && p && j.layout.synthetic)
		itr_provenance_set_synthetic(p);
	if (rc == 0)
		rc = lock = lock_folder(folder, out, err);
	if (rc >= 0)
		rc = run_job(&j, folder, out, p, err);
	if (lock >= 0) {
		rmdir(folder);                  /* only when nothing is in it: a run that failed at once leaves nothing behind */
		close(lock);
	}
	itr_model_context_free(j.context);
	itr_model_free(j.model);
	free(folder);
	return rc;
}
