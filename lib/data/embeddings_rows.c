/* Rows of embeddings wherever they are: in memory, or in their file, where those stay that the memory has no room for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "data/embeddings.h"
#include "io/limit.h"
#include "tensor/rows.h"

/* Rows that are inspected at a time, and that one thread reads of them. */
enum { BLOCK_BYTES = 8 << 20, PIECE = 64, ALIKE_SAMPLE = 4096 };

bool itr_embeddings_has(const itr_embeddings *e, itr_modality m) { return e->side[m].rows || e->side[m].file; }

int itr_embeddings_read(const itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, float *out, itr_err *err)
{
	const itr_embeddings_side *s = &e->side[m];
	for (int64_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && rows[i + run] == rows[i] + run; run++)
			;
		if (s->rows)
			memcpy(out + i * s->dim, s->rows + rows[i] * s->dim, (size_t)(run * s->dim) * sizeof *out);
		else if (itr_row_file_read(s->file, rows[i], run, out + i * s->dim, err) < 0)
			return -1;
	}
	if (!s->rows && s->rescaled)
		(void)itr_rows_normalize(out, n, s->dim, 1);
	return 0;
}

bool itr_embeddings_alike(const itr_embeddings *e, itr_modality m)
{
	const itr_embeddings_side *s = &e->side[m];
	const int64_t n = e->table.n[m], step = ITR_MAX(n / ALIKE_SAMPLE, (int64_t)1), few = (n + step - 1) / step;
	itr_err ignored = ITR_ERR_INIT;
	if (!s->file)
		return s->rows && itr_rows_alike(s->rows, n, s->dim);
	int64_t *row = itr_xmalloc((size_t)few * sizeof *row);
	for (int64_t i = 0; i < few; i++)
		row[i] = i * step;
	float *x = itr_aligned_alloc((size_t)(few * s->dim + 1) * sizeof *x);
	const bool alike = itr_embeddings_read(e, m, row, few, x, &ignored) == 0 && itr_rows_alike(x, few, s->dim);
	itr_aligned_free(x);
	free(row);
	return alike;
}

/* --- which rows stay in the file ------------------------------------------------------------------------------------------------------ */

struct reading { const itr_row_file *f; int64_t first, n, dim; float *out; itr_err *reason; };

static void read_piece(void *ctx, int64_t piece, int worker)
{
	const struct reading *r = ctx;
	const int64_t at = piece * PIECE;
	itr_err err = ITR_ERR_INIT;
	if (itr_row_file_read(r->f, r->first + at, ITR_MIN((int64_t)PIECE, r->n - at), r->out + at * r->dim, &err) < 0)
		r->reason[worker] = err;
}

/* Consecutive rows as they are stored, by all threads. */
static int read_block(const itr_row_file *f, int64_t first, int64_t n, float *out, int threads, itr_err *err)
{
	const int workers = itr_threads_resolve(threads);
	struct reading r = { f, first, n, itr_row_file_width(f), out, itr_xcalloc((size_t)workers, sizeof *r.reason) };
	int rc = 0;
	itr_parallel_for(threads, (n + PIECE - 1) / PIECE, read_piece, &r);
	for (int w = 0; w < workers && rc == 0; w++)
		if (r.reason[w].set)
			rc = itr_err_set(err, "%s", r.reason[w].msg);
	free(r.reason);
	return rc;
}

int itr_embeddings_check_file(itr_embeddings *e, itr_modality m, itr_scaling scale, int threads, itr_err *err)
{
	itr_embeddings_side *s = &e->side[m];
	const int64_t n = e->table.n[m], block = ITR_MAX(BLOCK_BYTES / (s->dim * (int64_t)sizeof(float)), (int64_t)PIECE);
	float *x = itr_aligned_alloc((size_t)(ITR_MIN(block, n) * s->dim + 1) * sizeof *x);
	int rc = 0;
	s->zero_rows = s->not_unit = 0;
	for (int64_t first = 0; first < n && rc == 0; first += block) {
		const int64_t rows = ITR_MIN(block, n - first);
		rc = read_block(s->file, first, rows, x, threads, err);
		if (rc < 0)
			break;
		const itr_rows_check c = itr_rows_inspect(x, rows, s->dim, threads);
		s->zero_rows += c.zero_rows;
		s->not_unit += c.not_unit - c.zero_rows;
		if (c.bad_row >= 0)
			rc = itr_err_set(err, "'%s': the vector of '%s' holds %s", e->table.name, e->table.id[m][first + c.bad_row],
			                 isnan(x[itr_first_not_finite(x, rows * s->dim)]) ? "NaN" : "infinity");
	}
	itr_aligned_free(x);
	s->rescaled = scale == ITR_SCALE_UNIT || (scale == ITR_SCALE_UNIT_IF_NEEDED && s->not_unit);
	return rc;
}

static double side_bytes(const itr_embeddings *e, int m) { return (double)e->table.n[m] * (double)e->side[m].dim * sizeof(float); }

/* Bytes that the vectors may take: what the user says, or all that fit into half of the machine's memory. */
static double budget(const itr_embeddings *e, double need)
{
	const double memory = itr_limit_memory();
	if (e->opts.max_memory != ITR_MEMORY_OF_MACHINE)
		return (double)e->opts.max_memory;
	if (memory <= 0 || need <= memory / 2)
		return need;
	itr_info("the vectors of '%s' (%.1f GB) take more than half of the memory: they stay in the file, a quarter of the memory holds "
	         "rows that are read ahead",
	         e->table.name, need / 1e9);
	return memory / 4;
}

int itr_embeddings_stay(itr_embeddings *e, itr_err *err)
{
	const double bytes[2] = { side_bytes(e, 0), side_bytes(e, 1) };
	if (!e->opts.max_memory || (e->opts.max_memory == ITR_MEMORY_OF_MACHINE && !e->reader->stay))
		return 0;
	const double max = budget(e, bytes[0] + bytes[1]);
	const int large = bytes[1] > bytes[0];
	const bool both = bytes[!large] > max / 2;
	for (int m = 0; m < 2 && bytes[0] + bytes[1] > max; m++) {
		itr_embeddings_side *s = &e->side[m];
		if (m != large && !both)
			continue;
		const int can = e->reader->stay && s->dim ? e->reader->stay(e, (itr_modality)m, err) : 0;
		if (can < 0)
			return -1;
		if (!can && s->dim)
			itr_warn("the %s vectors of '%s' are loaded whole, %.2f GB: those of a feature store that are neither compressed "
			         "nor "
			         "chunked can stay in their file",
			         itr_modality_names[m], e->table.name, bytes[m] / 1e9);
		s->ahead = (size_t)(both ? max / 2 : max - bytes[!large]);
	}
	return 0;
}
