#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/model_file.h"
#include "tensor/rows.h"


/* --- the config as JSON --------------------------------------------------------------------------------------------------------------- */

/* The maps and what made the rows that they take. */
static void put_maps(itr_json *c, const itr_closed *p)
{
	itr_json_add_str(c, "kind", "projection");
	itr_json_add_str(c, "method", p->method);
	itr_json_add_int(c, "dim", p->dim);
	for (int s = 0; s < 2; s++) {
		itr_json *side = itr_json_add_object(c, itr_modality_names[s]);
		itr_json_add_int(side, "in", p->side[s].in);
		itr_json_add_bool(side, "normalize", p->side[s].normalize);
		if (p->side[s].fourier)
			itr_json_add_int(side, "features", p->side[s].fourier->features);
		itr_json_add_str(side, "encoder", p->side[s].encoder);
		if (p->side[s].weights_sha256) {
			itr_json_add_str(side, "weights_sha256", p->side[s].weights_sha256);
			itr_json_add_str(side, "preprocess", p->side[s].preprocess);
		}
	}
}

static char *config_text(const itr_closed *p)
{
	itr_json *c = itr_json_object();
	itr_buf b = { 0 };
	char hash[ITR_SHA256_HEX];
	put_maps(c, p);
	itr_json_add_num(c, "regularization", p->regularization);
	itr_json_add_num(c, "lambda", p->lambda);
	if (p->details)
		itr_json_add(c, "details", itr_json_copy(p->details));
	itr_picture_opts_put(c, &p->pictures);
	itr_split_record_put(c, &p->split);
	itr_closed_hash(p, hash);
	itr_json_add_str(c, "hash", hash);
	itr_json_print(&b, c, false);
	itr_json_free(c);
	return itr_buf_detach(&b);
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

struct array { const char *name; const float *x; int rank; int64_t shape[2]; };
enum { ARRAYS = 6 };

/* What a side consists of, in the order of the file; x NULL: absent. */
static void arrays_of(const itr_closed *p, int s, struct array a[ARRAYS])
{
	const itr_closed_side *side = &p->side[s];
	const itr_fourier *f = side->fourier;
	const int64_t width = itr_closed_width(side);
	const struct array all[ARRAYS] = {
		{ "idf", side->idf, 1, { side->in } },
		{ "frequency", f ? f->frequency : NULL, 2, { width, side->in } },
		{ "phase", f ? f->phase : NULL, 1, { width } },
		{ "mean", side->mean, 1, { width } },
		{ "weight", side->weight, 2, { p->dim, width } },
		{ "bias", side->bias, 1, { p->dim } },
	};
	memcpy(a, all, sizeof all);
}

static int64_t count_of(const struct array *a) { return a->shape[0] * (a->rank == 2 ? a->shape[1] : 1); }

void itr_closed_hash(const itr_closed *p, char hex[ITR_SHA256_HEX])
{
	itr_sha256 *h = itr_sha256_new();
	itr_json *c = itr_json_object();
	itr_buf b = ITR_BUF_INIT;
	put_maps(c, p);
	itr_picture_opts_put(c, &p->pictures);
	itr_json_print(&b, c, false);
	itr_sha256_add(h, itr_buf_str(&b), b.len + 1);
	for (int s = 0; s < 2; s++) {
		struct array a[ARRAYS];
		arrays_of(p, s, a);
		for (int i = 0; i < ARRAYS; i++)
			if (a[i].x) {
				itr_sha256_add(h, a[i].name, strlen(a[i].name) + 1);
				itr_sha256_add(h, a[i].shape, (size_t)a[i].rank * sizeof *a[i].shape);
				itr_sha256_add(h, a[i].x, (size_t)count_of(&a[i]) * sizeof *a[i].x);
			}
	}
	itr_sha256_end(h, hex);
	itr_buf_free(&b);
	itr_json_free(c);
}

static int put_array(itr_h5 *h, int side, const struct array *a, itr_err *err)
{
	char path[96];
	if (!a->x)
		return 0;
	snprintf(path, sizeof path, ITR_MODEL_PARAM "/%s.%s", itr_modality_names[side], a->name);
	if (itr_first_not_finite(a->x, count_of(a)) >= 0)
		return itr_err_set(err, "'%s' is not written: '%s' would hold NaN or infinity", itr_h5_path(h), path);
	return itr_h5_write(h, path, ITR_F32, a->rank, a->shape, a->x, err);
}

static int put_all(itr_h5 *h, const itr_closed *p, const itr_provenance *provenance, itr_err *err)
{
	char *config = config_text(p), *history = itr_provenance_text(provenance);
	int rc = itr_h5_write_text(h, "/config", config, err);
	if (rc == 0 && history && history[0])
		rc = itr_h5_write_text(h, "/provenance", history, err);
	for (int s = 0; s < 2; s++) {
		struct array a[ARRAYS];
		arrays_of(p, s, a);
		for (int i = 0; i < ARRAYS && rc == 0; i++)
			rc = put_array(h, s, &a[i], err);
	}
	if (rc == 0)
		rc = itr_h5_write_link(h, ITR_MODEL_FORMER_PARAM, ITR_MODEL_PARAM, err);
	free(config);
	free(history);
	return rc;
}

int itr_closed_save(const itr_closed *p, const char *path, const itr_provenance *provenance, itr_err *err)
{
	itr_h5 *h = itr_h5_create(path, "itr-model", p->synthetic, err);
	if (!h)
		return -1;
	if (put_all(h, p, provenance, err) < 0) {
		itr_h5_close(h);
		return -1;
	}
	return itr_h5_commit(h, err);
}

/* --- reading: the file is not trusted ------------------------------------------------------------------------------------------------ */

/* A float32 array of exactly this shape without NaN or infinity; absent is fine and leaves NULL. */
static int get_array(const itr_h5 *h, int side, const char *name, int rank, int64_t rows, int64_t cols, float **out, itr_err *err)
{
	char path[96];
	itr_h5_info info;
	int64_t n = rows * (rank == 2 ? cols : 1);
	snprintf(path, sizeof path, "%s/%s.%s", itr_model_param_group(h), itr_modality_names[side], name);
	if (!itr_h5_has(h, path))
		return 0;
	if (itr_h5_info_of(h, path, &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != rank || info.shape[0] != rows || (rank == 2 && info.shape[1] != cols))
		return itr_err_set(err, "'%s': '%s' has not the shape that /config says", itr_h5_path(h), path);
	*out = itr_h5_read(h, path, ITR_F32, &info, err);
	if (!*out)
		return -1;
	return itr_first_not_finite(*out, n) < 0 ? 0 : itr_err_set(err, "'%s': '%s' holds NaN or infinity", itr_h5_path(h), path);
}

enum { MAX_WIDTH = 1 << 20 };                /* of a side: far above any encoder, far below what makes products overflow */

/* The random features of a kernel model; none where the config names none. */
static int get_fourier(const itr_h5 *h, const itr_json *j, int s, itr_closed_side *side, itr_err *err)
{
	const int64_t features = itr_json_int(itr_json_get(j, "features"), 0);
	float *frequency = NULL, *phase = NULL;
	if (!itr_json_get(j, "features"))
		return 0;
	if (features < 1 || features > MAX_WIDTH)
		return itr_err_set(err, "'%s': /config has no usable number of random features", itr_h5_path(h));
	if (get_array(h, s, "frequency", 2, features, side->in, &frequency, err) == 0 &&
	    get_array(h, s, "phase", 1, features, 0, &phase, err) == 0 && frequency && phase) {
		side->fourier = itr_xcalloc(1, sizeof *side->fourier);
		*side->fourier = (itr_fourier){ side->in, features, frequency, phase };
		return 0;
	}
	itr_aligned_free(frequency);
	itr_aligned_free(phase);
	return err->set ? -1
	                : itr_err_set(err, "'%s': '%s/%s.frequency' or '.phase' is missing", itr_h5_path(h),
	                              itr_model_param_group(h), itr_modality_names[s]);
}

static int get_side(const itr_h5 *h, const itr_json *config, int s, itr_closed *p, itr_err *err)
{
	const itr_json *j = itr_json_get(config, itr_modality_names[s]);
	itr_closed_side *side = &p->side[s];
	side->in = itr_json_int(itr_json_get(j, "in"), 0);
	side->normalize = itr_json_bool(itr_json_get(j, "normalize"), false);
	free(side->encoder);
	side->encoder = itr_xstrdup(itr_json_str(itr_json_get(j, "encoder"), ""));
	const char *hash = itr_json_str(itr_json_get(j, "weights_sha256"), NULL),
		   *preprocess = itr_json_str(itr_json_get(j, "preprocess"), NULL);
	side->weights_sha256 = hash ? itr_xstrdup(hash) : NULL;
	side->preprocess = preprocess ? itr_xstrdup(preprocess) : NULL;
	if (side->in < 1 || side->in > MAX_WIDTH)
		return itr_err_set(err, "'%s': /config has no usable width of the %s side", itr_h5_path(h), itr_modality_names[s]);
	if (get_array(h, s, "idf", 1, side->in, 0, &side->idf, err) < 0 || get_fourier(h, j, s, side, err) < 0)
		return -1;
	const int64_t width = itr_closed_width(side);
	if (get_array(h, s, "mean", 1, width, 0, &side->mean, err) < 0 ||
	    get_array(h, s, "weight", 2, p->dim, width, &side->weight, err) < 0 ||
	    get_array(h, s, "bias", 1, p->dim, 0, &side->bias, err) < 0)
		return -1;
	if (!side->weight && (side->in != p->dim || side->fourier))
		return itr_err_set(err, "'%s': '%s/%s.weight' is missing", itr_h5_path(h), itr_model_param_group(h),
		                   itr_modality_names[s]);
	return 0;
}

itr_closed *itr_closed_read(const itr_h5 *h, const itr_json *config, itr_err *err)
{
	int64_t dim = itr_json_int(itr_json_get(config, "dim"), 0);
	if (dim < 1 || dim > MAX_WIDTH) {
		itr_err_set(err, "'%s': /config has no usable 'dim'", itr_h5_path(h));
		return NULL;
	}
	itr_closed *p = itr_closed_new(itr_json_str(itr_json_get(config, "method"), ""), dim);
	if (get_side(h, config, ITR_TEXT, p, err) < 0 || get_side(h, config, ITR_IMAGE, p, err) < 0) {
		itr_closed_free(p);
		return NULL;
	}
	p->regularization = itr_json_num(itr_json_get(config, "regularization"), 0);
	p->lambda = itr_json_num(itr_json_get(config, "lambda"), 0);
	p->pictures = itr_picture_opts_get(config);
	if (itr_json_get(config, "details"))
		p->details = itr_json_copy(itr_json_get(config, "details"));
	return p;
}
