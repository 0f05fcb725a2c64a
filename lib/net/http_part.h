/* http_part.h - the unfinished file of one download: TARGET.part, its running hash, and (for large ones) its validators in
 * TARGET.part.meta. Private to net. */
#ifndef ITR_NET_HTTP_PART_H
#define ITR_NET_HTTP_PART_H

#include "net/http_client.h"
#include "net/http_policy.h"

enum { ITR_HTTP_KEEP_BYTES = 4 << 20 };         /* smaller parts are not worth a resume by another process */

typedef struct itr_http_part {
	char *url, *target, *path, *meta;
	int fd;
	itr_buf *into;                  /* memory instead */
	itr_sha256 *hash;
	int64_t first, length;          /* of the slice, for the meta file */
	int64_t have;
	int64_t total;                  /* of the remote file; -1 */
	char etag[256], modified[64];
	bool meta_written;
} itr_http_part;

/* Opens (or creates, with its folders) the part; one that a former process left is resumed if its meta file names the same URL and slice
 * and has a validator. */
ITR_MUST_USE int itr_http_part_open(itr_http_part *p, const itr_http_job *job, itr_err *err);
/* Back to empty. */
ITR_MUST_USE int itr_http_part_restart(itr_http_part *p, itr_err *err);
/* What the answer said about the file, before its first byte is taken. */
void itr_http_part_describe(itr_http_part *p, const itr_http_response *r);
ITR_MUST_USE int itr_http_part_write(itr_http_part *p, const void *bytes, size_t n, itr_err *err);
/* The end of a good one: hash, expected hash, check, fsync, rename. Fills r->reason, bytes, sha256, message. May run in another thread.
 * Frees p's file. */
void itr_http_part_finish(itr_http_part *p, const itr_http_job *job, itr_http_result *r);
/* The end of a bad one: removed, unless `keep` and large enough to be continued. */
void itr_http_part_drop(itr_http_part *p, bool keep);

#endif
