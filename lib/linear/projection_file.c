#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/h5.h"
#include "linear/projection.h"
#include "tensor/rows.h"

static const char *const side_names[2] = { "text", "image" };
static const char *const part_names[3] = { "train", "val", "test" };

/* --- the config as JSON --------------------------------------------------------------------------------------------------------------- */

void itr_split_note_put(itr_json *config, const itr_split_note *n)
{
	itr_json *s = itr_json_add_object(config, "split"), *sizes, *count, *hash;
	char seed[32];
	itr_json_add_str(s, "by", n->by);
	if (!n->by[0])
		return;
	if (n->groups[0])
		itr_json_add_str(s, "groups", n->groups);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)n->seed);      /* a string: beyond 2^53 a JSON number loses digits */
	itr_json_add_str(s, "seed", seed);
	sizes = itr_json_add_array(s, "sizes");
	count = itr_json_add_object(s, "images");
	hash = itr_json_add_object(s, "sha256_of_ids");
	for (int i = 0; i < 3; i++) {
		itr_json_push(sizes, itr_json_new_num(n->sizes[i]));
		itr_json_add_int(count, part_names[i], n->count[i]);
		itr_json_add_str(hash, part_names[i], n->hash[i]);
	}
}

void itr_split_note_get(const itr_json *config, itr_split_note *n)
{
	const itr_json *s = itr_json_get(config, "split");
	*n = (itr_split_note){ .seed = 0 };
	snprintf(n->by, sizeof n->by, "%s", itr_json_str(itr_json_get(s, "by"), ""));
	snprintf(n->groups, sizeof n->groups, "%s", itr_json_str(itr_json_get(s, "groups"), ""));
	n->seed = strtoull(itr_json_str(itr_json_get(s, "seed"), "0"), NULL, 10);
	for (int i = 0; i < 3; i++) {
		n->sizes[i] = itr_json_num(itr_json_at(itr_json_get(s, "sizes"), i), 0);
		n->count[i] = itr_json_int(itr_json_get(itr_json_get(s, "images"), part_names[i]), 0);
		snprintf(n->hash[i], sizeof n->hash[i], "%s",
		         itr_json_str(itr_json_get(itr_json_get(s, "sha256_of_ids"), part_names[i]), ""));
	}
}

static char *config_text(const itr_projection *p)
{
	itr_json *c = itr_json_object();
	itr_buf b = { 0 };
	itr_json_add_str(c, "kind", "projection");
	itr_json_add_str(c, "method", p->method);
	itr_json_add_int(c, "dim", p->dim);
	for (int s = 0; s < 2; s++) {
		itr_json *side = itr_json_add_object(c, side_names[s]);
		itr_json_add_int(side, "in", p->side[s].in);
		itr_json_add_bool(side, "normalize", p->side[s].normalize);
		itr_json_add_str(side, "encoder", p->side[s].encoder);
		if (p->side[s].weights_sha256) {
			itr_json_add_str(side, "weights_sha256", p->side[s].weights_sha256);
			itr_json_add_str(side, "preprocess", p->side[s].preprocess);
		}
	}
	itr_json_add_num(c, "regularization", p->regularization);
	itr_json_add_num(c, "lambda", p->lambda);
	if (p->details)
		itr_json_add(c, "details", itr_json_copy(p->details));
	itr_split_note_put(c, &p->split);
	itr_json_print(&b, c, false);
	itr_json_free(c);
	return itr_buf_detach(&b);
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

static int put_array(itr_h5 *h, int side, const char *name, const float *x, int rank, int64_t rows, int64_t cols, itr_err *err)
{
	char path[64];
	int64_t shape[2] = { rows, cols };
	if (!x)
		return 0;
	snprintf(path, sizeof path, "/param/%s.%s", side_names[side], name);
	if (itr_first_not_finite(x, rows * (rank == 2 ? cols : 1)) >= 0)
		return itr_err_set(err, "'%s' is not written: '%s' would hold NaN or infinity", itr_h5_path(h), path);
	return itr_h5_write(h, path, ITR_F32, rank, shape, x, err);
}

static int put_all(itr_h5 *h, const itr_projection *p, const itr_provenance *provenance, itr_err *err)
{
	char *config = config_text(p), *history = itr_provenance_text(provenance);
	int rc = itr_h5_write_text(h, "/config", config, err);
	if (rc == 0 && history && history[0])
		rc = itr_h5_write_text(h, "/provenance", history, err);
	for (int s = 0; s < 2 && rc == 0; s++) {
		const itr_projection_side *side = &p->side[s];
		rc = put_array(h, s, "mean", side->mean, 1, side->in, 0, err);
		if (rc == 0)
			rc = put_array(h, s, "weight", side->weight, 2, p->dim, side->in, err);
		if (rc == 0)
			rc = put_array(h, s, "bias", side->bias, 1, p->dim, 0, err);
	}
	free(config);
	free(history);
	return rc;
}

int itr_projection_save(const itr_projection *p, const char *path, const itr_provenance *provenance, itr_err *err)
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

/* --- reading: the file is a stranger's ------------------------------------------------------------------------------------------------ */

/* A float32 array of exactly this shape without NaN or infinity; absent is fine and leaves NULL. */
static int get_array(const itr_h5 *h, int side, const char *name, int rank, int64_t rows, int64_t cols, float **out, itr_err *err)
{
	char path[64];
	itr_h5_info info;
	int64_t n = rows * (rank == 2 ? cols : 1);
	snprintf(path, sizeof path, "/param/%s.%s", side_names[side], name);
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

static int get_side(const itr_h5 *h, const itr_json *config, int s, itr_projection *p, itr_err *err)
{
	const itr_json *j = itr_json_get(config, side_names[s]);
	itr_projection_side *side = &p->side[s];
	side->in = itr_json_int(itr_json_get(j, "in"), 0);
	side->normalize = itr_json_bool(itr_json_get(j, "normalize"), false);
	free(side->encoder);
	side->encoder = itr_xstrdup(itr_json_str(itr_json_get(j, "encoder"), ""));
	const char *hash = itr_json_str(itr_json_get(j, "weights_sha256"), NULL),
		   *preprocess = itr_json_str(itr_json_get(j, "preprocess"), NULL);
	side->weights_sha256 = hash ? itr_xstrdup(hash) : NULL;
	side->preprocess = preprocess ? itr_xstrdup(preprocess) : NULL;
	if (side->in < 1 || side->in > MAX_WIDTH)
		return itr_err_set(err, "'%s': /config has no usable width of the %s side", itr_h5_path(h), side_names[s]);
	if (get_array(h, s, "mean", 1, side->in, 0, &side->mean, err) < 0 ||
	    get_array(h, s, "weight", 2, p->dim, side->in, &side->weight, err) < 0 ||
	    get_array(h, s, "bias", 1, p->dim, 0, &side->bias, err) < 0)
		return -1;
	if (!side->weight && side->in != p->dim)
		return itr_err_set(err, "'%s': '/param/%s.weight' is missing", itr_h5_path(h), side_names[s]);
	return 0;
}

static itr_projection *get_all(const itr_h5 *h, const itr_json *config, itr_err *err)
{
	const char *kind = itr_json_str(itr_json_get(config, "kind"), NULL);
	int64_t dim = itr_json_int(itr_json_get(config, "dim"), 0);
	if (!kind || strcmp(kind, "projection")) {
		itr_err_set(err, "'%s' is a model of kind '%s', not a linear projection ({train} --model cca, ridge, procrustes)",
		            itr_h5_path(h), kind ? kind : "network");
		return NULL;
	}
	if (dim < 1 || dim > MAX_WIDTH) {
		itr_err_set(err, "'%s': /config has no usable 'dim'", itr_h5_path(h));
		return NULL;
	}
	itr_projection *p = itr_projection_new(itr_json_str(itr_json_get(config, "method"), ""), dim);
	if (get_side(h, config, ITR_TEXT, p, err) < 0 || get_side(h, config, ITR_IMAGE, p, err) < 0) {
		itr_projection_free(p);
		return NULL;
	}
	p->regularization = itr_json_num(itr_json_get(config, "regularization"), 0);
	p->lambda = itr_json_num(itr_json_get(config, "lambda"), 0);
	if (itr_json_get(config, "details"))
		p->details = itr_json_copy(itr_json_get(config, "details"));
	itr_split_note_get(config, &p->split);
	p->synthetic = itr_h5_is_synthetic(h);
	return p;
}

itr_projection *itr_projection_load(const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, "itr-model", err);
	itr_projection *p = NULL;
	if (!h)
		return NULL;
	char *text = itr_h5_read_text(h, "/config", err);
	itr_json *config = text ? itr_json_parse(text, strlen(text), path, err) : NULL;
	if (config)
		p = get_all(h, config, err);
	itr_json_free(config);
	free(text);
	itr_h5_close(h);
	return p;
}
