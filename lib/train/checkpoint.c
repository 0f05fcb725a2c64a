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

/* Doubles go as arrays, not as decimal text: exact without thought. */
static int write_state(itr_h5 *h, const itr_train_state *s, itr_err *err)
{
	const int64_t n_int = 4, n_real = 3;
	const int64_t ints[] = { s->epoch, s->step_in_epoch, s->best_epoch, s->stale_epochs };
	const double reals[] = { s->loss_sum, s->loss_weight, s->best_value };
	return itr_h5_write(h, "/state/counts", ITR_I64, 1, &n_int, ints, err) < 0 ||
	                       itr_h5_write(h, "/state/sums", ITR_F64, 1, &n_real, reals, err) < 0
	               ? -1
	               : 0;
}

static int read_state(const itr_h5 *h, itr_train_state *s, itr_err *err)
{
	int64_t ints[4];
	double reals[3];
	if (itr_h5_read_rows(h, "/state/counts", ITR_I64, 0, 4, ints, err) < 0 ||
	    itr_h5_read_rows(h, "/state/sums", ITR_F64, 0, 3, reals, err) < 0)
		return -1;
	*s = (itr_train_state){ ints[0], ints[1], reals[0], reals[1], ints[2], ints[3], reals[2] };
	return 0;
}

static int write_parts(itr_h5 *h, const itr_checkpoint_parts *p, itr_err *err)
{
	const int64_t n = itr_params_live(p->model->params);
	if (itr_model_write(p->model, h, NULL, err) < 0 || itr_optim_save(p->optim, h, err) < 0 || write_state(h, p->state, err) < 0)
		return -1;
	if (p->ema && itr_params_write_array(h, "/ema", 1, &n, itr_ema_values(p->ema), err) < 0)
		return -1;
	if (p->best && itr_params_write_array(h, "/best", 1, &n, p->best, err) < 0)
		return -1;
	const int64_t shape[2] = { p->state->epoch, p->metrics };
	if (p->state->epoch > 0 && itr_h5_write(h, "/state/history", ITR_F64, 2, shape, p->history, err) < 0)
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
	itr_h5 *h = itr_h5_open(path, "itr-checkpoint", err);
	if (h)
		return h;
	char *previous = itr_checkpoint_previous(path);
	itr_h5 *p = itr_h5_open(previous, "itr-checkpoint", NULL);
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

/* Metrics of the epochs so far; the counts come from a file and are looked at before they are used. */
static int read_history(const itr_h5 *h, itr_checkpoint_parts *p, int64_t max_epochs, itr_err *err)
{
	itr_h5_info info;
	const itr_train_state *s = p->state;
	if (s->best_epoch > 0 && !isfinite(s->best_value))
		return itr_err_set(err, "'%s': the best value so far is no number", itr_h5_path(h));
	if (s->epoch < 0 || s->epoch > max_epochs || s->step_in_epoch < 0 || s->best_epoch < 0 || s->best_epoch > s->epoch ||
	    s->stale_epochs < 0)
		return itr_err_set(err, "'%s' stands at epoch %lld, step %lld: that is outside of a run of %lld epochs", itr_h5_path(h),
		                   (long long)s->epoch, (long long)s->step_in_epoch, (long long)max_epochs);
	if (s->epoch == 0)
		return 0;
	if (itr_h5_info_of(h, "/state/history", &info, err) < 0)
		return -1;
	if (info.rank != 2 || info.shape[0] != s->epoch || info.shape[1] != p->metrics)
		return itr_err_set(err, "'%s': '/state/history' does not hold the metrics of %lld epochs", itr_h5_path(h),
		                   (long long)s->epoch);
	return itr_h5_read_rows(h, "/state/history", ITR_F64, 0, s->epoch, p->history, err);
}

int itr_checkpoint_read(const char *path, itr_checkpoint_parts *p, int64_t max_epochs, itr_err *err)
{
	itr_h5 *h = open_checkpoint(path, err);
	const int64_t n = itr_params_live(p->model->params);
	if (!h)
		return -1;
	int rc = itr_params_load(p->model->params, h, "/param", err);
	if (rc == 0)
		rc = itr_optim_load(p->optim, h, err);
	if (rc == 0)
		rc = read_state(h, p->state, err);
	if (rc == 0)
		rc = read_history(h, p, max_epochs, err);
	if (rc == 0 && p->ema)
		rc = read_block(h, "/ema", itr_ema_values(p->ema), n, err);
	itr_h5_close(h);
	return rc;
}

float *itr_checkpoint_best(const char *path, int64_t n, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, "itr-checkpoint", err);
	float *best = h && itr_h5_has(h, "/best") ? itr_aligned_alloc((size_t)n * sizeof *best) : NULL;
	if (best && read_block(h, "/best", best, n, err) < 0) {
		itr_aligned_free(best);
		best = NULL;
	}
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
