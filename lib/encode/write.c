#include "encode/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"
#include "io/npz.h"

struct vectors {
	int64_t rows, dim;
	char *const *id;
	const float *y;                 /* (rows, dim) */
	bool synthetic;
};

/* The shortest decimal that strtof reads back to v. */
static void put_float(itr_buf *b, float v)
{
	char text[32];
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	itr_buf_puts(b, text);
}

static void put_csv_id(itr_buf *b, const char *id)
{
	if (!strpbrk(id, ",\"\n\r")) {
		itr_buf_puts(b, id);
		return;
	}
	itr_buf_putc(b, '"');
	for (; *id; id++) {
		if (*id == '"')
			itr_buf_putc(b, '"');
		itr_buf_putc(b, *id);
	}
	itr_buf_putc(b, '"');
}

static int print_csv(const struct vectors *r, FILE *f, const char *name, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	bool bad = fputs("id,embedding\n", f) < 0;
	for (int64_t i = 0; i < r->rows && !bad; i++) {
		b.len = 0;
		put_csv_id(&b, r->id[i]);
		itr_buf_puts(&b, ",\"[");
		for (int64_t k = 0; k < r->dim; k++) {
			if (k)
				itr_buf_puts(&b, ", ");
			put_float(&b, r->y[i * r->dim + k]);
		}
		itr_buf_puts(&b, "]\"\n");
		bad = fwrite(b.data, 1, b.len, f) != b.len;
	}
	itr_buf_free(&b);
	return bad ? itr_err_errno(err, "cannot write '%s'", name) : 0;
}

static int write_csv(const struct vectors *r, const char *path, itr_err *err)
{
	itr_atomic_file *a = itr_atomic_open(path, err);
	FILE *f = a ? itr_atomic_stream(a) : NULL;
	int rc = f ? print_csv(r, f, path, err) : a ? itr_err_errno(err, "cannot write '%s'", path) : -1;
	if (rc == 0)
		return itr_atomic_commit(a, err);
	itr_atomic_abort(a);
	return -1;
}

static int write_npz(const struct vectors *r, const char *path, const char *provenance, itr_err *err)
{
	itr_npz_writer *w = itr_npz_create(path, false, err);
	if (!w)
		return -1;
	if (itr_npz_put_text(w, "ids", (const char *const *)r->id, r->rows, err) == 0 &&
	    itr_npz_put(w, "embeddings", ITR_F32, 2, (int64_t[]){ r->rows, r->dim }, r->y, err) == 0 &&
	    (!provenance[0] || itr_npz_put_string(w, "itr_provenance", provenance, err) == 0))
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

static int write_h5(const struct vectors *r, const char *path, const char *provenance, itr_err *err)
{
	itr_h5 *h = itr_h5_create(path, "itr-predictions", r->synthetic, err);
	if (!h)
		return -1;
	if (itr_h5_write_texts(h, "/ids", (const char *const *)r->id, r->rows, err) == 0 &&
	    itr_h5_write(h, "/embeddings", ITR_F32, 2, (int64_t[]){ r->rows, r->dim }, r->y, err) == 0 &&
	    (!provenance[0] || itr_h5_write_text(h, "/provenance", provenance, err) == 0))
		return itr_h5_commit(h, err);
	itr_h5_close(h);
	return -1;
}

int itr_vectors_check_name(const char *path, itr_err *err)
{
	static const char *const endings[] = { ".csv", ".npz", ".h5", ".hdf5" };
	for (int i = 0; i < ITR_LEN(endings); i++)
		if (itr_path_has_suffix(path, endings[i]))
			return 0;
	return strcmp(path, "-") ? itr_err_set(err, "'%s': the file name's ending has to be .csv, .npz or .h5", path) : 0;
}

int itr_vectors_write(const itr_embeddings *e, itr_modality side, const char *path, FILE *standard_output, const itr_provenance *p,
                      itr_err *err)
{
	const struct vectors v = {
		.rows = e->table.n[side], .dim = e->side[side].dim, .id = e->table.id[side], .y = e->side[side].rows,
		.synthetic = e->table.synthetic
	};
	if (itr_vectors_check_name(path, err) < 0)
		return -1;
	if (!strcmp(path, "-"))
		return print_csv(&v, standard_output, "standard output", err);
	if (itr_path_has_suffix(path, ".csv"))
		return write_csv(&v, path, err);
	char *provenance = itr_provenance_text(p);
	int rc = itr_path_has_suffix(path, ".npz") ? write_npz(&v, path, provenance, err) : write_h5(&v, path, provenance, err);
	free(provenance);
	return rc;
}
