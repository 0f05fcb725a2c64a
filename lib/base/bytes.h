/* bytes.h - an amount of memory as users write it: "300M", "2G", "1.5GiB", "4096". */
#ifndef ITR_BASE_BYTES_H
#define ITR_BASE_BYTES_H

#include "base/err.h"

/* K, M, G and T are powers of 1024, in either case, with or without B or iB behind; a plain number counts bytes. -1 with err: no amount
 * above zero, or more than can be addressed. */
ITR_MUST_USE int itr_bytes_parse(const char *text, size_t *bytes, itr_err *err);

#endif
