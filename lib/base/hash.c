#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/log.h"

static EVP_MD_CTX *ctx_of(itr_sha256 *h) { return (EVP_MD_CTX *)h; }    /* itr_sha256 is libcrypto's context under another name */

itr_sha256 *itr_sha256_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!c || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1)
		ITR_BUG("libcrypto refuses SHA-256");
	return (itr_sha256 *)c;
}

void itr_sha256_add(itr_sha256 *h, const void *bytes, size_t n) { EVP_DigestUpdate(ctx_of(h), bytes, n); }

void itr_sha256_end(itr_sha256 *h, char hex[ITR_SHA256_HEX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_DigestFinal_ex(ctx_of(h), digest, &len);
	EVP_MD_CTX_free(ctx_of(h));
	for (unsigned int i = 0; hex && i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void itr_sha256_bytes(const void *bytes, size_t n, char hex[ITR_SHA256_HEX])
{
	itr_sha256 *h = itr_sha256_new();
	itr_sha256_add(h, bytes, n);
	itr_sha256_end(h, hex);
}

int itr_sha256_file(const char *path, char hex[ITR_SHA256_HEX], itr_err *err)
{
	char chunk[1 << 16];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (!f)
		return itr_err_errno(err, "cannot open '%s'", path);
	itr_sha256 *h = itr_sha256_new();
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		itr_sha256_add(h, chunk, n);
	int bad = ferror(f);
	if (bad)
		itr_err_errno(err, "cannot read '%s'", path);
	fclose(f);
	itr_sha256_end(h, hex);
	return bad ? -1 : 0;
}
