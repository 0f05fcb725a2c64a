#include "train/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/dataset.h"
#include "data/split_record.h"
#include "train/checkpoint.h"
#include "train/report.h"
#include "train/trainer.h"

int itr_network_data(itr_embeddings *d, const char *path, const char *sizes_text, const itr_split_rule *rule, uint64_t seed,
                     size_t max_memory, int threads, double sizes[3], itr_err *err)
{
	memset(d, 0, sizeof *d);
	if (itr_split_parse(sizes, sizes_text, err) < 0 ||
	    itr_embeddings_open(d, path, &(itr_embeddings_opts){ .max_memory = max_memory, .threads = threads }, err) < 0)
		return -1;
	int rc = itr_embeddings_has(d, ITR_IMAGE) ? itr_split_assign_rows(&d->table, sizes, seed, rule, err)
	                  : itr_err_set(err, "'%s' holds queries only, no images to fit to", path);
	if (rc < 0)
		itr_embeddings_free(d);
	return rc;
}

int itr_network_check_fresh(const char *output, itr_err *err)
{
	char *checkpoint = itr_path_replace_extension(output, ".ckpt.h5");
	int rc = itr_path_exists(checkpoint)
	                 ? itr_err_set(err, "'%s' is of an earlier run: --resume %s continues it, --force starts again", checkpoint,
	                               checkpoint)
	                 : 0;
	free(checkpoint);
	return rc;
}

int64_t itr_network_samples(const itr_network_job *job)
{
	return itr_row_table_count(&job->data->table, ITR_TRAIN) * job->opts.epochs;
}

static const char *const same_keys[] = { "data_sha256", "text_weights_sha256", "image_weights_sha256" };
static const char *const same_names[] = { "the data are not those", "the text tower's weights are not those",
	                                  "the image tower's weights are not those" };

static const char *hash_of(const itr_json *info, int i) { return itr_json_str(itr_json_path(info, same_keys[i]), NULL); }

/* SHA-256 of an input that provenance has noted; NULL where it notes none. */
static const char *input_hash(const itr_json *provenance, const char *path)
{
	for (const itr_json *i = itr_json_first(itr_json_get(provenance, "inputs")); i; i = itr_json_next(i))
		if (!strcmp(itr_json_str(itr_json_get(i, "path"), ""), path))
			return itr_json_str(itr_json_get(i, "sha256"), NULL);
	return NULL;
}

/* Hashes of the files that objectives read, by their names. */
static void note_objectives(itr_network_job *job)
{
	itr_json *all = itr_json_add_object(job->info, "objectives");
	const itr_method *m = &itr_methods[job->opts.method];
	for (int i = 0; itr_objectives[i]; i++) {
		const itr_objective *o = itr_objectives[i];
		const void *values = job->opts.objective_values ? job->opts.objective_values[i] : NULL;
		const char *path = o->input && values && itr_method_uses(m, o->name) ? o->input(values) : NULL;
		if (!path || !itr_path_exists(path))
			continue;
		itr_provenance_input(job->provenance, path);
		itr_json *p = itr_provenance_json(job->provenance);
		itr_json_add_str(all, o->name, input_hash(p, path));
		itr_json_free(p);
	}
}

static int same_objectives(const itr_json *before, const itr_json *now, const char *checkpoint, itr_err *err)
{
	for (const itr_json *i = itr_json_first(now); i; i = itr_json_next(i)) {
		const char *a = itr_json_str(itr_json_get(before, itr_json_key(i)), NULL), *b = itr_json_str(i, NULL);
		if (a && b && strcmp(a, b))
			return itr_err_set(err,
			                   "the file of the objective '%s' is not that which '%s' was trained with: their SHA-256 differs",
			                   itr_json_key(i), checkpoint);
	}
	return 0;
}

/* The contents of the data, as provenance has hashed them, so that a checkpoint goes on with the same or not at all. */
static int note_data(itr_network_job *job, itr_err *err)
{
	itr_json *p = itr_provenance_json(job->provenance);
	const char *hash = itr_json_str(itr_json_get(itr_json_at(itr_json_get(p, "inputs"), 0), "sha256"), NULL);
	int rc = 0;
	if (hash)
		itr_json_add_str(job->info, "data_sha256", hash);
	itr_json_free(p);
	note_objectives(job);
	for (int side = 0; side < 2; side++)
		if (job->built && job->built->tower[side])
			itr_json_add_str(job->info, same_keys[1 + side], job->built->tower[side]->weights_sha256);
	if (job->resume) {
		itr_json *before = itr_checkpoint_info(job->resume, err);
		rc = before ? 0 : -1;
		for (int i = 0; rc == 0 && i < ITR_LEN(same_keys); i++) {
			const char *a = hash_of(before, i), *b = hash_of(job->info, i);
			if (a && b && strcmp(a, b))
				rc = itr_err_set(err, "%s that '%s' was trained on: their SHA-256 differs", same_names[i], job->resume);
		}
		if (rc == 0)
			rc = same_objectives(itr_json_get(before, "objectives"), itr_json_get(job->info, "objectives"), job->resume, err);
		itr_json_free(before);
	}
	return rc;
}

/* Beside the model: what evaluate and predict need to know. */
static itr_json *model_config(const itr_network_job *job)
{
	itr_split_record split;
	itr_json *j = itr_json_object(), *training = itr_json_add_object(j, "training");
	itr_split_record_of(&split, &job->data->table, job->sizes, job->opts.seed);
	itr_split_record_put(j, &split);
	itr_json_add_str(j, "text_encoder", job->data->side[ITR_TEXT].encoder);
	itr_json_add_str(j, "image_encoder", job->data->side[ITR_IMAGE].encoder);
	if (job->data->side[ITR_TEXT].weights_sha256) {         /* search finds the weights by it, so that words can be asked */
		itr_json_add_str(j, "text_weights_sha256", job->data->side[ITR_TEXT].weights_sha256);
		itr_json_add_str(j, "text_preprocess", job->data->side[ITR_TEXT].preprocess);
	}
	itr_picture_opts_put(j, &job->data->pictures);
	if (job->opts.set)
		itr_json_add_int(j, "max_failed", job->max_failed);
	if (job->opts.method)           /* the first is not named */
		itr_json_add_str(training, "method", itr_method_names[job->opts.method]);
	itr_json_add_str(training, "loss", job->opts.loss);
	itr_json_add_str(training, "optimizer", job->opts.optimizer);
	itr_json_add_num(training, "lr", job->opts.lr);
	itr_json_add_int(training, "batch_size", job->opts.batch_size);
	itr_json_add_str(training, "monitor", job->opts.monitor);
	const char *frozen = itr_json_str(itr_json_path(job->info, "options.freeze-layers"), NULL);
	if (frozen)
		itr_json_add_str(training, "freeze_layers", frozen);
	return j;
}

/* A training that ran, without the model that it was to give. */
static void say_no_model(const itr_network_job *job, const itr_train_report *r, const char *checkpoint, itr_err *err)
{
	const itr_err why = *err;
	if (!r->diverged)
		itr_err_set(err, "'%s' was never a number, so no model is the best: none is written; the last weights are in '%s'",
		            job->opts.monitor, checkpoint);
	else if (r->best_epoch)
		itr_err_set(err, "%.1200s. The best model until then, of epoch %lld, is '%s'", why.msg, (long long)r->best_epoch,
		            job->output);
	else
		itr_err_set(err, "%.1200s. No model is written", why.msg);
	const itr_err all = *err;
	if (!r->best_epoch && itr_path_exists(job->output))
		itr_err_set(err, "%.1300s; '%s' is of an earlier training and was left as it is", all.msg, job->output);
}

static void say_failure(const itr_network_job *job, const itr_train_report *r, itr_train_end end, const char *checkpoint, itr_err *err)
{
	if (end == ITR_TRAIN_STOPPED)
		itr_err_set(
			err,
			"interrupted after %lld steps (%lld of %lld epochs); everything is in '%s': {train} --resume %s resumes there",
			(long long)r->steps, (long long)r->epochs, (long long)job->opts.epochs, checkpoint, checkpoint);
	else if (!err->set)
		itr_err_set(err, "training failed");
}

static void draw_curve(const itr_network_job *job, const itr_train_report *r, itr_json *artifacts)
{
	itr_err err = ITR_ERR_INIT;
	char *png = itr_path_replace_extension(job->output, ".curves.png");
	char *title = itr_xasprintf("%s, %lld epoch%s%s", job->model, (long long)r->epochs, r->epochs == 1 ? "" : "s",
	                            job->data->table.synthetic ? " (synthetic data)" : "");
	if (itr_learning_curve(png, &job->opts, r, title, &err) < 0)
		itr_warn("no learning curve: %s", err.msg);
	else
		itr_json_push(artifacts, itr_json_new_str(png));
	free(title);
	free(png);
}

static itr_json *run(itr_network_job *job, itr_model *m, const char *checkpoint, itr_err *err)
{
	itr_train_report r;
	itr_json *config = model_config(job), *j = NULL;
	char *provenance = itr_provenance_text(job->provenance);
	itr_train_hooks h = job->hooks;
	h.model_path = job->output;
	h.checkpoint_path = checkpoint;
	h.extra = config;
	h.resume_info = job->info;
	h.provenance = provenance;
	itr_train_end end = itr_train_network(m, job->data, &job->opts, &h, job->resume, &r, err);
	const bool ran = end == ITR_TRAIN_DONE || end == ITR_TRAIN_EARLY;
	if (ran || r.diverged) {
		j = itr_network_json(m, &job->opts, &r, end);
		itr_json_add_num(j, "read_seconds", job->read_seconds);
		if (r.first_step_at > 0 && job->started > 0) {
			itr_json_add_num(j, "start_seconds", r.first_step_at - job->started - job->read_seconds);
			itr_json_add_num(j, "first_step_seconds", r.first_step_seconds);
		}
		itr_json *artifacts = itr_json_add_array(j, "artifacts");
		if (r.epochs) {                          /* each ends with a checkpoint */
			draw_curve(job, &r, artifacts);
			itr_json_push(artifacts, itr_json_new_str(checkpoint));
		}
		if (r.best_epoch)
			itr_json_push(artifacts, itr_json_new_str(job->output));
		itr_json_add_str(j, "output", r.best_epoch ? job->output : NULL);
		if (r.diverged || !r.best_epoch)
			say_no_model(job, &r, checkpoint, err);
	} else {
		say_failure(job, &r, end, checkpoint, err);
	}
	itr_train_report_free(&r);
	free(provenance);
	itr_json_free(config);
	return j;
}

itr_json *itr_network_fit(itr_network_job *job, itr_err *err)
{
	job->config.text_dim = job->data->side[ITR_TEXT].dim;
	job->config.image_dim = job->data->side[ITR_IMAGE].dim;
	job->config.threads = itr_threads_resolve(job->opts.threads);
	itr_model *m = job->built ? job->built : itr_model_new(job->model, &job->config, job->opts.seed, err);
	char *checkpoint = itr_path_replace_extension(job->output, ".ckpt.h5");
	itr_json *j = NULL;
	char *folder = itr_path_dirname(job->output);
	/* kill -9 leaves them, and they are as large as checkpoints */
	itr_atomic_remove_stale(folder, itr_path_basename(checkpoint));
	itr_atomic_remove_stale(folder, itr_path_basename(job->output));
	free(folder);
	if (m && note_data(job, err) == 0)
		j = run(job, m, checkpoint, err);
	free(checkpoint);
	if (m != job->built)
		itr_model_free(m);
	return j;
}
