#include "track/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"
#include "track/names.h"

/* Copies to a temporary file, then renames it, so that readers of a running run do not see partial files. */
static int put(const char *target, const char *bytes, size_t n, itr_err *err)
{
	char *temp = itr_xasprintf("%s.%ld.part", target, (long)getpid());
	FILE *f = fopen(temp, "wb");
	int rc = f && fwrite(bytes, 1, n, f) == n ? 0 : -1;
	if (f && fclose(f) != 0)
		rc = -1;
	if (rc == 0)
		rc = rename(temp, target);
	if (rc < 0) {
		itr_err_errno(err, "cannot write '%s'", target);
		unlink(temp);
	}
	free(temp);
	return rc;
}

static int store_link(const char *target, const char *path, int64_t bytes, itr_err *err)
{
	char hex[ITR_SHA256_HEX], *full = itr_path_absolute(path), *name = itr_xasprintf("%s.link.json", target);
	int rc = itr_sha256_file(path, hex, err);
	if (rc == 0) {
		itr_buf b = ITR_BUF_INIT, text = ITR_BUF_INIT;
		(void)itr_run_text(&text, full);
		itr_buf_puts(&b, "{\n  \"path\": ");
		itr_json_print_string(&b, itr_buf_str(&text));
		itr_buf_free(&text);
		itr_buf_printf(&b, ",\n  \"sha256\": \"%s\",\n  \"bytes\": %lld\n}\n", hex, (long long)bytes);
		rc = put(name, b.data, b.len, err);
		itr_buf_free(&b);
	}
	free(full);
	free(name);
	return rc;
}

static int store(const char *dir, const char *path, int depth, itr_err *err)
{
	struct stat st;
	char *plain = itr_xstrdup(path);                         /* "result/" is called result */
	for (size_t n = strlen(plain); n > 1 && plain[n - 1] == '/'; n--)
		plain[n - 1] = 0;
	itr_buf name = ITR_BUF_INIT;                             /* in UTF-8: otherwise MLflow could not list the folder */
	(void)itr_run_text(&name, itr_path_basename(plain));
	char *target = itr_path_join(dir, itr_buf_str(&name));
	itr_buf_free(&name);
	int rc = 0;
	if (stat(plain, &st) < 0) {
		rc = itr_err_errno(err, "cannot keep '%s' with the run", path);
	} else if (S_ISDIR(st.st_mode)) {
		DIR *d = depth < 16 ? opendir(plain) : NULL;
		rc = d ? itr_path_mkdirs(target, err) : itr_err_errno(err, "cannot keep folder '%s' with the run", path);
		for (struct dirent *e; rc == 0 && (e = readdir(d));) {
			char *below = itr_path_join(plain, e->d_name);
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				rc = store(target, below, depth + 1, err);
			free(below);
		}
		if (d)
			closedir(d);
	} else if (!S_ISREG(st.st_mode)) {
		rc = itr_err_set(err, "cannot keep '%s' with the run: it is no file", path);
	} else if (st.st_size > ITR_ARTIFACT_COPY_LIMIT) {
		rc = store_link(target, plain, (int64_t)st.st_size, err);
	} else {
		size_t n = 0;
		char *bytes = itr_path_read(plain, ITR_ARTIFACT_COPY_LIMIT + 1, &n, err);
		rc = bytes ? put(target, bytes, n, err) : -1;
		free(bytes);
	}
	free(plain);
	free(target);
	return rc;
}

int itr_artifact_store(const char *dir, const char *path, itr_err *err)
{
	return store(dir, path, 0, err);
}
