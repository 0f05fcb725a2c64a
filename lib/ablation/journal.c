/* journal.c - each finished cell is appended in one write, so that an interrupted run can be resumed.
 *
 * First line {"itr_grid_journal":1,"fingerprint":"..."}; then records: one line {"cell","check","counts":[bytes,bytes],"result":{...}}, the
 * raw per-query counts of both directions, a newline. `check` is a checksum of result and counts. Reading stops at the first incomplete
 * record, and the file is truncated there. The last record of a cell counts. There is no fsync for each cell: after a crash of the machine
 * the last cells may be missing and are computed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "ablation/grid_internal.h"

struct itr_journal {
	int fd;
	char *path;
};

enum { CHECK = 16 };
static const size_t MOST = (size_t)8 << 30;

static size_t counts_bytes(const itr_grid *g, int direction)
{
	return (size_t)g->o.seeds.n * (size_t)g->n_queries[direction] * 3 * sizeof(int32_t);
}

static void check_of(const char *result, size_t len, const void *a, size_t na, const void *b, size_t nb, char hex[ITR_SHA256_HEX])
{
	itr_sha256 *h = itr_sha256_new();
	itr_sha256_add(h, result, len);
	itr_sha256_add(h, a, na);
	itr_sha256_add(h, b, nb);
	itr_sha256_end(h, hex);
	hex[CHECK] = 0;
}

static itr_cell *cell_of(itr_grid *g, const char *key)
{
	for (int64_t i = 0; i < g->n_cells; i++)
		if (!strcmp(g->cells[i].key, key))
			return &g->cells[i];
	return NULL;
}

static void forget(itr_cell *c)
{
	itr_json_free(c->result);
	free(c->error);
	free(c->counts[0]);
	free(c->counts[1]);
	c->result = NULL;
	c->error = NULL;
	c->counts[0] = c->counts[1] = NULL;
}

/* Stores a record in its cell; records of cells that are not in this grid are ignored. */
static void keep(itr_grid *g, const itr_json *record, const char *raw, const size_t bytes[2])
{
	itr_cell *c = cell_of(g, itr_json_str(itr_json_get(record, "cell"), ""));
	const itr_json *result = itr_json_get(record, "result");
	const char *error = itr_json_str(itr_json_get(result, "error"), NULL);
	if (!c || (!error && (bytes[0] != counts_bytes(g, 0) || bytes[1] != counts_bytes(g, 1))))
		return;
	forget(c);
	c->result = itr_json_copy(result);
	c->error = error ? itr_xstrdup(error) : NULL;
	for (int d = 0; d < 2 && !error; d++) {
		c->counts[d] = itr_xmalloc(bytes[d] + 1);
		memcpy(c->counts[d], raw + (d ? bytes[0] : 0), bytes[d]);
	}
}

/* Parses one record at `text`. Returns its length, or 0 when it is incomplete. */
static size_t read_record(itr_grid *g, const char *text, size_t left)
{
	const char *end = memchr(text, '\n', left);
	size_t line = end ? (size_t)(end - text) + 1 : 0, bytes[2], used = 0;
	itr_err ignored = ITR_ERR_INIT;
	itr_json *j = line ? itr_json_parse(text, line - 1, "journal", &ignored) : NULL;
	const itr_json *counts = itr_json_get(j, "counts");
	int64_t n0 = itr_json_int(itr_json_count(counts) == 2 ? itr_json_at(counts, 0) : NULL, -1),
		n1 = itr_json_int(itr_json_count(counts) == 2 ? itr_json_at(counts, 1) : NULL, -1);
	if (j && n0 >= 0 && n1 >= 0 && (size_t)n0 < left && (size_t)n1 < left && line + (size_t)n0 + (size_t)n1 < left &&
	    text[line + (size_t)n0 + (size_t)n1] == '\n') {
		char hex[ITR_SHA256_HEX];
		itr_buf result = ITR_BUF_INIT;
		bytes[0] = (size_t)n0;
		bytes[1] = (size_t)n1;
		itr_json_print(&result, itr_json_get(j, "result"), false);
		check_of(itr_buf_str(&result), result.len, text + line, bytes[0], text + line + bytes[0], bytes[1], hex);
		if (!strcmp(hex, itr_json_str(itr_json_get(j, "check"), ""))) {
			keep(g, j, text + line, bytes);
			used = line + bytes[0] + bytes[1] + 1;
		}
		itr_buf_free(&result);
	}
	itr_json_free(j);
	return used;
}

static int write_all(struct itr_journal *j, const void *data, size_t n, itr_err *err)
{
	const char *p = data;
	while (n) {
		ssize_t w = write(j->fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return itr_err_errno(err, "cannot write '%s'", j->path);
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Reads the cells of an existing journal. Returns the length of its valid part, or -1 with err. */
static int64_t read_back(itr_grid *g, itr_err *err)
{
	size_t len = 0, at;
	char *text = itr_path_read(g->journal_path, MOST, &len, err);
	if (!text)
		return -1;
	char *end = memchr(text, '\n', len);
	itr_err ignored = ITR_ERR_INIT;
	itr_json *head = end ? itr_json_parse(text, (size_t)(end - text), "journal", &ignored) : NULL;
	const char *mark = itr_json_str(itr_json_get(head, "fingerprint"), NULL);
	if (end && !mark) {
		itr_err_set(err, "'%s' is not a journal of {run-experiments}", g->journal_path);
	} else if (mark && strcmp(mark, g->fingerprint)) {
		itr_err_set(err,
		            "'%s' belongs to other data or options (seed, seeds, recall-k, ties, rescore, quantizer, ...): leave out "
		            "--resume, or choose another --output-dir",
		            g->journal_path);
		mark = NULL;
	}
	itr_json_free(head);
	at = mark ? (size_t)(end - text) + 1 : 0;
	for (size_t n = 1; mark && n && at < len; at += n)
		n = read_record(g, text + at, len - at);
	free(text);
	return end && !mark ? -1 : (int64_t)at;
}

/* Opens and locks the journal, because two runs in one folder would truncate each other's records. On a file system without locks it is not
 * locked. */
static int open_locked(struct itr_journal *j, itr_err *err)
{
	j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (j->fd < 0)
		return itr_err_errno(err, "cannot write '%s'", j->path);
	if (flock(j->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return itr_err_set(err, "'%s' is being written by another run: wait for it, or choose another --output-dir", j->path);
	return 0;
}

int itr_journal_open(itr_grid *g, itr_err *err)
{
	int64_t good = 0;
	if (g->o.dry_run)
		return g->o.resume && itr_path_exists(g->journal_path) && read_back(g, err) < 0 ? -1 : 0;
	if (itr_path_mkdirs(g->o.output_dir, err) < 0)
		return -1;
	struct itr_journal *j = itr_xmalloc(sizeof *j);
	*j = (struct itr_journal){ .path = g->journal_path, .fd = -1 };
	g->journal = j;
	if (open_locked(j, err) < 0 || (g->o.resume && (good = read_back(g, err)) < 0))
		return -1;
	if (ftruncate(j->fd, good) < 0 || lseek(j->fd, 0, SEEK_END) < 0)
		return itr_err_errno(err, "cannot write '%s'", j->path);
	char *head = itr_xasprintf("{\"itr_grid_journal\":1,\"fingerprint\":\"%s\"}\n", g->fingerprint);
	int rc = good ? 0 : write_all(j, head, strlen(head), err);
	free(head);
	return rc;
}

int itr_journal_add(itr_grid *g, const itr_cell *c, itr_err *err)
{
	char hex[ITR_SHA256_HEX];
	size_t bytes[2] = { c->error ? 0 : counts_bytes(g, 0), c->error ? 0 : counts_bytes(g, 1) };
	itr_buf result = ITR_BUF_INIT, record = ITR_BUF_INIT;
	itr_json_print(&result, c->result, false);
	check_of(itr_buf_str(&result), result.len, c->counts[0], bytes[0], c->counts[1], bytes[1], hex);
	itr_buf_printf(&record, "{\"cell\":\"%s\",\"check\":\"%s\",\"counts\":[%zu,%zu],\"result\":", c->key, hex, bytes[0], bytes[1]);
	itr_buf_add(&record, result.data, result.len);
	itr_buf_puts(&record, "}\n");
	itr_buf_add(&record, c->counts[0], bytes[0]);
	itr_buf_add(&record, c->counts[1], bytes[1]);
	itr_buf_putc(&record, '\n');
	int rc = write_all(g->journal, record.data, record.len, err);
	itr_buf_free(&result);
	itr_buf_free(&record);
	return rc;
}

void itr_journal_close(itr_journal *j)
{
	if (j && j->fd >= 0)
		close(j->fd);
	free(j);
}
