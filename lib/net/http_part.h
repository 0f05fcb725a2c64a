/* http_part.h - internal: the incomplete file of a download, TARGET.part, its hash, and for large files its validators in TARGET.part.meta.
 */
#ifndef ITR_NET_HTTP_PART_H
#define ITR_NET_HTTP_PART_H

#include "net/http_client.h"
#include "net/http_policy.h"

enum { ITR_HTTP_KEEP_BYTES = 4 << 20 };         /* smaller parts are not kept for another process */

typedef struct itr_http_part {
	char *url, *target, *path, *meta;
	int fd;
	itr_buf *into;                  /* memory instead */
	itr_sha256 *hash;
	int64_t first, length;          /* byte range, for the meta file */
	int64_t have;
	int64_t total;                  /* of the remote file; -1 */
	char etag[256], modified[64];
	bool meta_written;
} itr_http_part;

/* Opens the part, or creates it and its folders. A part of an earlier process is resumed when its meta file has the same URL and byte range
 * and a validator. 0, or -1 with err. */
ITR_MUST_USE int itr_http_part_open(itr_http_part *p, const itr_http_job *job, itr_err *err);
/* Empties the part. */
ITR_MUST_USE int itr_http_part_restart(itr_http_part *p, itr_err *err);
/* Stores the properties of the file from the response's headers, before its first byte is written. */
void itr_http_part_describe(itr_http_part *p, const itr_http_response *r);
ITR_MUST_USE int itr_http_part_write(itr_http_part *p, const void *bytes, size_t n, itr_err *err);
/* Ends a complete download: compares the hash, calls the check, fsync, rename. Sets r->reason, bytes, sha256, message. May run in another
 * thread. Frees p's contents. */
void itr_http_part_finish(itr_http_part *p, const itr_http_job *job, itr_http_result *r);
/* Ends a failed download: removes the part, unless `keep` is true and it is large enough to be resumed. */
void itr_http_part_drop(itr_http_part *p, bool keep);

#endif
