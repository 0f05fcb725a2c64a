/* The HDF5 file driver for reading: pread within the bounds of the file. The drivers of HDF5 1.10 enable its metadata accumulator, which,
 * while empty, takes a damaged address near 2^64 for a hit and copies from NULL (H5F__accum_read; later releases check). Without the
 * accumulator every request comes to this driver, where an address outside the file is an error. With HDF5 1.13 and later the standard
 * driver is used. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/h5_internal.h"

#if !H5_VERSION_GE(1, 13, 0)

struct file {
	H5FD_t base;                    /* first: HDF5 sees only this */
	int fd;
	haddr_t eoa, eof;
	dev_t device;
	ino_t inode;
};

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
	struct stat st;
	(void)fapl, (void)maxaddr;
	int fd = flags & (H5F_ACC_RDWR | H5F_ACC_TRUNC | H5F_ACC_CREAT) ? -1 : open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	struct file *f = itr_xcalloc(1, sizeof *f);
	f->fd = fd;
	f->eof = (haddr_t)st.st_size;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	return &f->base;
}

static herr_t driver_close(H5FD_t *base)
{
	struct file *f = (struct file *)base;
	int rc = close(f->fd);
	free(f);
	return rc;
}

static int driver_cmp(const H5FD_t *a, const H5FD_t *b)
{
	const struct file *x = (const struct file *)a, *y = (const struct file *)b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static herr_t driver_query(const H5FD_t *base, unsigned long *flags)
{
	(void)base;
	*flags = H5FD_FEAT_DATA_SIEVE;
	return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *base, H5FD_mem_t type) { return (void)type, ((const struct file *)base)->eoa; }
static haddr_t driver_get_eof(const H5FD_t *base, H5FD_mem_t type) { return (void)type, ((const struct file *)base)->eof; }

static herr_t driver_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t addr)
{
	(void)type;
	((struct file *)base)->eoa = addr;
	return 0;
}

static herr_t driver_read(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, void *buffer)
{
	const struct file *f = (const struct file *)base;
	(void)type, (void)dxpl;
	if (addr > f->eof || size > f->eof - addr)
		return -1;
	for (char *p = buffer; size > 0;) {
		ssize_t got = pread(f->fd, p, size, (off_t)addr);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p += got;
		addr += (haddr_t)got;
		size -= (size_t)got;
	}
	return 0;
}

static herr_t driver_write(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, const void *buffer)
{
	(void)base, (void)type, (void)dxpl, (void)addr, (void)size, (void)buffer;
	return -1;
}

void itr_h5_reading_driver(hid_t access)
{
	static const H5FD_class_t driver = {
		.name = "itr-read",
		.maxaddr = INT64_MAX,
		.fc_degree = H5F_CLOSE_STRONG,
		.open = driver_open,
		.close = driver_close,
		.cmp = driver_cmp,
		.query = driver_query,
		.get_eoa = driver_get_eoa,
		.set_eoa = driver_set_eoa,
		.get_eof = driver_get_eof,
		.read = driver_read,
		.write = driver_write,
		.fl_map = H5FD_FLMAP_DICHOTOMY,
	};
	hid_t id = H5FDregister(&driver);
	if (id >= 0) {
		H5Pset_driver(access, id, NULL);
		H5FDunregister(id);             /* the property list, then the file, keep it alive */
	}
}

#else

void itr_h5_reading_driver(hid_t access) { (void)access; }

#endif
