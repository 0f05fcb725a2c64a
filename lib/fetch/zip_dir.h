/* zip_dir.h - reads the central directory of a zip, which may be on a server: only the tail, the central directory and the required members
 * are read. Source: PKWARE APPNOTE 6.3.10 (4.3.12 central directory, 4.3.14-16 end records, 4.5.3 zip64 extra field). Every size is checked
 * against the size of the file before it is used. */
#ifndef ITR_FETCH_ZIP_DIR_H
#define ITR_FETCH_ZIP_DIR_H

#include "base/err.h"

typedef struct itr_zip_source {
	void *ctx;
	const char *name;               /* for messages */
	int64_t size;                   /* of the whole zip */
	/* n bytes at `offset` into out: 0, or -1 with err. Never called beyond `size`. */
	int (*read)(void *ctx, int64_t offset, size_t n, void *out, itr_err *err);
} itr_zip_source;

typedef struct itr_zip_entry {
	bool found;
	int64_t header;                 /* offset of its local header */
	int64_t packed, size;
	uint32_t crc;
	int method;                     /* 0 stored, 8 deflated */
} itr_zip_entry;

enum { ITR_ZIP_TAIL = 65536 + 22 + 20 + 64 };   /* the end records and the longest comment */

/* Finds members by their base names ("captions_val2017.json") in any folder of the zip; out[i].found is false when there is none. 0, or -1
 * with err when it is not a zip, damaged, or a multi-volume archive. */
ITR_MUST_USE int itr_zip_dir_find(const itr_zip_source *s, const char *const *names, int n, itr_zip_entry *out, itr_err *err);
/* Offset of the member's data (reads its local header). -1 with err. */
ITR_MUST_USE int64_t itr_zip_data(const itr_zip_source *s, const itr_zip_entry *e, itr_err *err);

/* Decompresses e->packed bytes from `offset` of the source to file `target` (atomic), in constant memory. -1 with err when CRC or size
 * differ from the directory or the size exceeds max_bytes. */
ITR_MUST_USE int itr_zip_unpack(const itr_zip_source *s, const itr_zip_entry *e, int64_t offset, const char *target, int64_t max_bytes,
                                itr_err *err);

/* A local file as a source, valid until itr_zip_close_file. 0, or -1 with err. */
typedef struct itr_zip_file { int fd; } itr_zip_file;
ITR_MUST_USE int itr_zip_open_file(itr_zip_source *s, itr_zip_file *file, const char *path, itr_err *err);
void itr_zip_close_file(itr_zip_file *file);

#endif
