#include "io/gzip.h"

#include <string.h>

#include "io/zipwrite.h"

enum { HEADER = 10, TRAILER = 8, F_CRC = 2, F_EXTRA = 4, F_NAME = 8, F_COMMENT = 16, F_RESERVED = 0xE0, DEFLATE = 8 };

bool itr_is_gzip(const void *bytes, size_t n) { return n >= 2 && !memcmp(bytes, "\x1f\x8b", 2); }

/* Length of the member's header in bytes; 0 when it is damaged. */
static size_t header_size(const unsigned char *b, size_t n)
{
	size_t at = HEADER;
	if (n < HEADER + TRAILER || !itr_is_gzip(b, n) || b[2] != DEFLATE || (b[3] & F_RESERVED))
		return 0;
	if (b[3] & F_EXTRA)
		at += 2 + (size_t)(b[at] | b[at + 1] << 8);
	for (int flag = F_NAME; flag <= F_COMMENT; flag *= 2) {
		if (!(b[3] & flag))
			continue;
		const unsigned char *end = at < n ? memchr(b + at, 0, n - at) : NULL;
		if (!end)
			return 0;
		at = (size_t)(end - b) + 1;
	}
	at += b[3] & F_CRC ? 2 : 0;
	return at < n ? at : 0;
}

struct sink {
	itr_buf *out;
	size_t limit;
	bool full;
};

static int keep(void *ctx, const void *bytes, size_t n, itr_err *err)
{
	struct sink *s = ctx;
	s->full = n > s->limit - s->out->len;
	if (s->full)
		return itr_err_set(err, "it unpacks to more than %zu bytes", s->limit);
	itr_buf_add(s->out, bytes, n);
	return 0;
}

static uint32_t le32(const unsigned char *b) { return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24; }

int itr_gunzip(itr_buf *out, const void *bytes, size_t n, size_t limit, const char *where, itr_err *err)
{
	const unsigned char *b = bytes;
	struct sink s = { out, out->len + limit, false };
	size_t at = header_size(b, n), from = out->len;
	if (!at || n - at > UINT32_MAX)
		return itr_err_set(err, "'%s' is damaged or no gzip file", where);
	itr_inflate *z = itr_inflate_new();
	int rc = itr_inflate_feed(z, b + at, n - at, keep, &s, err);
	itr_inflate_free(z);
	if (rc < 0)
		return itr_err_prefix(err, s.full ? "'%s' is refused: " : "'%s' is damaged: ", where);
	if (rc == 0)
		return itr_err_set(err, "'%s' is cut short: its packed data have no end", where);
	/* The last eight bytes of the file must be this member's trailer: nothing may follow it. */
	uint32_t made = (uint32_t)(out->len - from);
	if (le32(b + n - TRAILER) != itr_crc32(0, itr_buf_str(out) + from, out->len - from) || le32(b + n - TRAILER + 4) != made)
		return itr_err_set(err, "'%s' is damaged: its checksum does not fit its contents, or something follows them", where);
	return 0;
}
