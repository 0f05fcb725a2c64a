#include "train/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

char *itr_checkpoint_previous(const char *path)
{
	char *stem = itr_path_replace_extension(path, "");
	char *name = itr_xasprintf("%s.1%s", stem, itr_path_extension(path));
	free(stem);
	return name;
}

static int write_text_json(itr_h5 *h, const char *path, const itr_json *j, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, false);
	int rc = itr_h5_write_text(h, path, itr_buf_str(&b), err);
	itr_buf_free(&b);
	return rc;
}

enum { NEWEST = 2 };    /* version 1 held one net, under the root, and its metrics by place */

/* The columns of version 1's history. */
static const char *const first_metrics[] = { "val_loss",           "val_cosine",          "val_t2i_recall_at_1",  "val_t2i_recall_at_5",
	                                     "val_t2i_recall_at_10", "val_t2i_mrr",       "val_i2t_recall_at_1",  "val_i2t_recall_at_5",
	                                     "val_i2t_recall_at_10", "val_i2t_mrr",       "val_mean_recall_at_10", "train_loss" };

/* Where PART of a net lies. The caller frees. */
static char *net_path(const itr_h5 *h, const char *net, const char *part)
{
	const bool first = itr_h5_attr_int(h, "/", "version", 0) == 1;
	return first ? itr_xasprintf("/%s", part) : itr_xasprintf("/net/%s/%s", net, part);
}

/* Doubles go as arrays, not as decimal text: exact without thought. */
static int write_state(itr_h5 *h, const itr_train_state *s, itr_err *err)
{
	const int64_t n_int = 4, n_real = 3, n_terms = ITR_TRAIN_OBJECTIVES;
	const int64_t ints[] = { s->epoch, s->step_in_epoch, s->best_epoch, s->stale_epochs };
	const double reals[] = { s->loss_sum, s->loss_weight, s->best_value };
	int rc = itr_h5_write(h, "/state/counts", ITR_I64, 1, &n_int, ints, err);
	if (rc == 0)
		rc = itr_h5_write(h, "/state/sums", ITR_F64, 1, &n_real, reals, err);
	if (rc == 0)
		rc = itr_h5_write(h, "/state/terms", ITR_F64, 1, &n_terms, s->term_sum, err);
	return rc == 0 ? itr_h5_write(h, "/state/own", ITR_F64, 1, &n_terms, s->own_sum, err) : rc;
}

/* One number an objective, as many as the file has. */
static int read_sums(const itr_h5 *h, const char *path, double *sums, itr_err *err)
{
	itr_h5_info info;
	if (!itr_h5_has(h, path))
		return 0;
	if (itr_h5_info_of(h, path, &info, err) < 0)
		return -1;
	return itr_h5_read_rows(h, path, ITR_F64, 0, ITR_MIN(info.count, (int64_t)ITR_TRAIN_OBJECTIVES), sums, err);
}

static int read_state(const itr_h5 *h, itr_train_state *s, itr_err *err)
{
	int64_t ints[4];
	double reals[3];
	if (itr_h5_read_rows(h, "/state/counts", ITR_I64, 0, 4, ints, err) < 0 ||
	    itr_h5_read_rows(h, "/state/sums", ITR_F64, 0, 3, reals, err) < 0)
		return -1;
	*s = (itr_train_state){ .epoch = ints[0], .step_in_epoch = ints[1], .loss_sum = reals[0], .loss_weight = reals[1],
		                .best_epoch = ints[2], .stale_epochs = ints[3], .best_value = reals[2] };
	return read_sums(h, "/state/terms", s->term_sum, err) < 0 || read_sums(h, "/state/own", s->own_sum, err) < 0 ? -1 : 0;
}

static int write_block(itr_h5 *h, const itr_train_net *net, const char *part, const float *x, itr_err *err)
{
	const int64_t n = itr_params_live(net->params);
	char *path = net_path(h, net->name, part);
	const int rc = itr_params_write_array(h, path, 1, &n, x, err);
	free(path);
	return rc;
}

static int write_net(itr_h5 *h, const itr_train_net *net, const float *best, itr_err *err)
{
	char *param = net_path(h, net->name, "param"), *optim = net_path(h, net->name, "optim");
	int rc = itr_params_save(net->params, h, param, err);
	if (rc == 0)
		rc = itr_optim_save(net->optim, h, optim, err);
	if (rc == 0 && net->ema)
		rc = write_block(h, net, "ema", itr_ema_values(net->ema), err);
	if (rc == 0 && best)
		rc = write_block(h, net, "best", best, err);
	free(param);
	free(optim);
	return rc;
}

static int write_parts(itr_h5 *h, const itr_checkpoint_parts *p, itr_err *err)
{
	if (itr_h5_set_attr_int(h, "/", "version", NEWEST, err) < 0 || write_state(h, p->state, err) < 0)
		return -1;
	for (int i = 0; i < p->n_nets; i++)
		if (write_net(h, &p->net[i], i == 0 ? p->best : NULL, err) < 0)
			return -1;
	const int64_t shape[2] = { p->state->epoch, p->metrics };
	if (p->state->epoch > 0 && (itr_h5_write_texts(h, "/metric/name", p->metric, p->metrics, err) < 0 ||
	                            itr_h5_write(h, "/metric/history", ITR_F64, 2, shape, p->history, err) < 0))
		return -1;
	return p->info ? write_text_json(h, "/info", p->info, err) : 0;
}

/* The present file gets its second name before the new one takes its first: whenever the process is killed, `path` is a whole checkpoint.
 */
static int keep_previous(const char *path, itr_err *err)
{
	char *previous = itr_checkpoint_previous(path), *second = itr_xasprintf("%s.link", previous);
	(void)unlink(second);
	/* no links on this disk: a gap of two renames */
	int done = link(path, second) == 0 ? rename(second, previous) : errno == ENOENT ? 0 : rename(path, previous);
	int rc = done < 0 ? itr_err_errno(err, "cannot keep '%s' as '%s'", path, previous) : 0;
	free(previous);
	free(second);
	return rc;
}

int itr_checkpoint_write(const char *path, const itr_checkpoint_parts *p, itr_err *err)
{
	itr_h5 *h = itr_h5_create(path, "itr-checkpoint", false, err);
	if (!h)
		return -1;
	if (write_parts(h, p, err) < 0) {
		itr_h5_close(h);
		return itr_err_prefix(err, "no checkpoint: ");
	}
	if (keep_previous(path, err) < 0) {
		itr_h5_close(h);
		return -1;
	}
	return itr_h5_commit(h, err);
}

/* Opens it, or says which earlier one is whole. */
static itr_h5 *open_checkpoint(const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open_version(path, "itr-checkpoint", NEWEST, err);
	if (h)
		return h;
	char *previous = itr_checkpoint_previous(path);
	itr_h5 *p = itr_h5_open_version(previous, "itr-checkpoint", NEWEST, NULL);
	if (p && err) {
		char text[sizeof err->msg];
		snprintf(text, sizeof text, "%s", err->msg);
		itr_err_set(err, "%.1100s; the checkpoint before it is whole: --resume %.300s", text, previous);
	}
	itr_h5_close(p);
	free(previous);
	return NULL;
}

static int read_block(const itr_h5 *h, const char *path, float *dst, int64_t n, itr_err *err)
{
	itr_h5_info info;
	if (itr_h5_info_of(h, path, &info, err) < 0)
		return -1;
	if (info.count != n)
		return itr_err_set(err, "'%s': '%s' belongs to another model", itr_h5_path(h), path);
	return itr_params_read_array(h, path, n, n, dst, err);
}

/* The counts come from a file and are looked at before they are used. */
static int check_state(const itr_h5 *h, const itr_train_state *s, int64_t max_epochs, itr_err *err)
{
	if (s->best_epoch > 0 && !isfinite(s->best_value))
		return itr_err_set(err, "'%s': the best value so far is no number", itr_h5_path(h));
	if (s->epoch < 0 || s->epoch > max_epochs || s->step_in_epoch < 0 || s->best_epoch < 0 || s->best_epoch > s->epoch ||
	    s->stale_epochs < 0)
		return itr_err_set(err, "'%s' stands at epoch %lld, step %lld: that is outside of a run of %lld epochs", itr_h5_path(h),
		                   (long long)s->epoch, (long long)s->step_in_epoch, (long long)max_epochs);
	return 0;
}

/* The file's columns by name into the run's; one that the file does not have stays NaN. */
static int place_columns(const itr_h5 *h, const char *path, char *const *name, int64_t n, itr_checkpoint_parts *p, itr_err *err)
{
	const int64_t epochs = p->state->epoch;
	double *all = itr_xmalloc((size_t)(epochs * n) * sizeof *all);
	const int rc = itr_h5_read_rows(h, path, ITR_F64, 0, epochs, all, err);
	for (int k = 0; rc == 0 && k < p->metrics; k++) {
		int64_t from = 0;
		while (from < n && strcmp(name[from], p->metric[k]))
			from++;
		for (int64_t e = 0; e < epochs; e++)
			p->history[e * p->metrics + k] = from < n ? all[e * n + from] : NAN;
	}
	free(all);
	return rc;
}

/* Metrics of the epochs so far. */
static int read_history(const itr_h5 *h, itr_checkpoint_parts *p, itr_err *err)
{
	const bool first = itr_h5_attr_int(h, "/", "version", 0) == 1;
	const char *path = first ? "/state/history" : "/metric/history";
	int64_t n = ITR_LEN(first_metrics);
	itr_h5_info info;
	if (p->state->epoch == 0)
		return 0;
	char **name = first ? NULL : itr_h5_read_texts(h, "/metric/name", &n, err);
	int rc = first || name ? itr_h5_info_of(h, path, &info, err) : -1;
	if (rc == 0 && (info.rank != 2 || info.shape[0] != p->state->epoch || info.shape[1] != n || n < 1 || n > 1000))
		rc = itr_err_set(err, "'%s': '%s' does not hold the metrics of %lld epochs", itr_h5_path(h), path,
		                 (long long)p->state->epoch);
	if (rc == 0)
		rc = place_columns(h, path, first ? (char **)(uintptr_t)first_metrics : name, n, p, err);
	for (int64_t i = 0; name && i < n; i++)
		free(name[i]);
	free(name);
	return rc;
}

static int read_net(const itr_h5 *h, const itr_train_net *net, itr_err *err)
{
	char *param = net_path(h, net->name, "param"), *optim = net_path(h, net->name, "optim"), *ema = net_path(h, net->name, "ema");
	int rc = itr_params_load(net->params, h, param, err);
	if (rc == 0)
		rc = itr_optim_load(net->optim, h, optim, err);
	if (rc == 0 && net->ema)
		rc = read_block(h, ema, itr_ema_values(net->ema), itr_params_live(net->params), err);
	free(param);
	free(optim);
	free(ema);
	return rc;
}

int itr_checkpoint_read(const char *path, itr_checkpoint_parts *p, int64_t max_epochs, itr_err *err)
{
	itr_h5 *h = open_checkpoint(path, err);
	if (!h)
		return -1;
	int rc = 0;
	if (p->n_nets > 1 && itr_h5_attr_int(h, "/", "version", 0) == 1)
		rc = itr_err_set(err, "'%s' holds the model alone, not '%s': start anew", path, p->net[1].name);
	for (int i = 0; rc == 0 && i < p->n_nets; i++)
		rc = read_net(h, &p->net[i], err);
	if (rc == 0)
		rc = read_state(h, p->state, err);
	if (rc == 0)
		rc = check_state(h, p->state, max_epochs, err);
	if (rc == 0)
		rc = read_history(h, p, err);
	itr_h5_close(h);
	return rc;
}

float *itr_checkpoint_best(const char *path, const itr_train_net *net, itr_err *err)
{
	const int64_t n = itr_params_live(net->params);
	itr_h5 *h = itr_h5_open_version(path, "itr-checkpoint", NEWEST, err);
	char *at = h ? net_path(h, net->name, "best") : NULL;
	float *best = h && itr_h5_has(h, at) ? itr_aligned_alloc((size_t)n * sizeof *best) : NULL;
	if (best && read_block(h, at, best, n, err) < 0) {
		itr_aligned_free(best);
		best = NULL;
	}
	free(at);
	itr_h5_close(h);
	return best;
}

itr_json *itr_checkpoint_info(const char *path, itr_err *err)
{
	itr_h5 *h = open_checkpoint(path, err);
	char *text = h ? itr_h5_read_text(h, "/info", err) : NULL;
	itr_json *j = text ? itr_json_parse(text, strlen(text), path, err) : NULL;
	free(text);
	itr_h5_close(h);
	return j;
}
