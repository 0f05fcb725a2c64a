#include "io/row_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/convert.h"

struct itr_row_file {
	char *path, *set;               /* the file, the dataset */
	int fd;
	int64_t offset, rows, width;
	itr_dtype stored;
	struct stat was;
};

/* Elements that are converted at a time. */
enum { PIECE = 4096 };

static bool changed(const itr_row_file *f)
{
	struct stat now;
	return fstat(f->fd, &now) < 0 || now.st_size != f->was.st_size || now.st_mtim.tv_sec != f->was.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != f->was.st_mtim.tv_nsec;
}

static int fetch(const itr_row_file *f, int64_t at, void *to, size_t size, itr_err *err)
{
	for (char *p = to; size > 0;) {
		const ssize_t got = pread(f->fd, p, size, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return itr_err_errno(err, "cannot read '%s'", f->path);
		if (got == 0)
			return itr_err_set(err, "'%s' was cut short while it was being read", f->path);
		p += got;
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

/* Elements first .. first + n - 1 of the whole dataset. */
static int elements(const itr_row_file *f, int64_t first, int64_t n, float *out, itr_err *err)
{
	const int64_t size = (int64_t)itr_dtype_size(f->stored);
	double raw[PIECE];              /* room for any type, aligned for all */
	double value;
	if (f->stored == ITR_F32)
		return fetch(f, f->offset + first * size, out, (size_t)(n * size), err);
	for (int64_t i = 0; i < n; i += PIECE) {
		const int64_t k = ITR_MIN((int64_t)PIECE, n - i);
		if (fetch(f, f->offset + (first + i) * size, raw, (size_t)(k * size), err) < 0)
			return -1;
		if (itr_convert(out + i, ITR_F32, raw, f->stored, k) < 0)
			ITR_BUG("a number of '%s' does not become a float", f->set);
		const int64_t beyond = itr_beyond_f32(raw, f->stored, k, &value);
		if (beyond >= 0)
			return itr_err_set(
				err, "'%s': dataset '%s': row %lld holds %g, which is beyond float32's range (3.4e38): scale the values",
				f->path, f->set, (long long)((first + i + beyond) / f->width), value);
	}
	return 0;
}

int itr_row_file_read(const itr_row_file *f, int64_t first, int64_t n, float *out, itr_err *err)
{
	if (first < 0 || n < 0 || n > f->rows - first)
		ITR_BUG("rows %lld to %lld of %lld", (long long)first, (long long)(first + n), (long long)f->rows);
	if (elements(f, first * f->width, n * f->width, out, err) < 0)
		return -1;
	/* looked at behind the reading: what was read is then what stood there when the file was opened */
	return changed(f) ? itr_err_set(err, "'%s' has changed while it was being read", f->path) : 0;
}

/* The first and the last row by HDF5 too: another file may have been put there between the two openings. */
static int compare(const itr_row_file *f, const itr_h5 *h, itr_err *err)
{
	float *x = itr_xmalloc((size_t)f->width * 2 * sizeof *x);
	int rc = 0;
	for (int i = 0; i < 2 && f->rows > 0 && rc == 0; i++) {
		const int64_t row = i ? f->rows - 1 : 0;
		if (itr_row_file_read(f, row, 1, x, err) < 0 || itr_h5_read_rows(h, f->set, ITR_F32, row, 1, x + f->width, err) < 0)
			rc = -1;
		else if (memcmp(x, x + f->width, (size_t)f->width * sizeof *x))
			rc = itr_err_set(err, "'%s' has changed while it was being opened", f->path);
	}
	free(x);
	return rc;
}

int itr_row_file_open(itr_row_file **out, const itr_h5 *h, const char *path, itr_err *err)
{
	itr_h5_info info;
	int64_t offset, width = 1;
	*out = NULL;
	const int can = itr_h5_place(h, path, &info, &offset, err);
	if (can <= 0)
		return can;
	for (int i = 1; i < info.rank; i++)
		width *= info.shape[i];
	if (info.rank < 2 || width < 1)
		return itr_err_set(err, "'%s': %s does not hold rows of numbers", itr_h5_path(h), path);
	itr_row_file *f = itr_xcalloc(1, sizeof *f);
	*f = (itr_row_file){ .path = itr_xstrdup(itr_h5_path(h)),
		             .set = itr_xstrdup(path),
		             .offset = offset,
		             .rows = info.shape[0],
		             .width = width,
		             .stored = info.dtype };
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	int rc = f->fd < 0 || fstat(f->fd, &f->was) < 0 ? itr_err_errno(err, "cannot open '%s'", f->path) : compare(f, h, err);
	if (rc < 0) {
		itr_row_file_free(f);
		return -1;
	}
	*out = f;
	return 1;
}

void itr_row_file_free(itr_row_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f->set);
	free(f);
}

int64_t itr_row_file_rows(const itr_row_file *f) { return f->rows; }
int64_t itr_row_file_width(const itr_row_file *f) { return f->width; }
