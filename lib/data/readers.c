#include "data/readers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"
#include "data/dataset.h"
#include "data/intake.h"
#include "image/phash.h"

#define READER(descriptor) extern const itr_reader descriptor;
#include "data/readers.def"
#undef READER

static const itr_reader *const readers[] = {
#define READER(descriptor) &descriptor,
#include "data/readers.def"
#undef READER
};

char *itr_reader_help(void)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, "read pictures on disk");
	for (int i = 0; i < ITR_LEN(readers); i++)
		itr_buf_printf(&b, "; %s: %s", readers[i]->name, readers[i]->what);
	return itr_buf_detach(&b);
}

const itr_reader *itr_reader_find(const char *name, itr_err *err)
{
	const char *names[ITR_LEN(readers)];
	itr_buf all = ITR_BUF_INIT;
	for (int i = 0; i < ITR_LEN(readers); i++) {
		if (!strcmp(readers[i]->name, name)) {
			itr_buf_free(&all);
			return readers[i];
		}
		names[i] = readers[i]->name;
		itr_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	itr_err_set(err, "unknown reader '%s': did you mean '%s'? There are: %s", name, itr_nearest(name, names, ITR_LEN(readers)),
	            itr_buf_str(&all));
	itr_buf_free(&all);
	return NULL;
}

/* --- looking at the pictures --------------------------------------------------------------------------------------------------------- */

enum { MAX_PICTURE = 1 << 30 };

struct seen {
	char sha256[ITR_SHA256_HEX];
	int width, height;
	itr_phash hash;
	bool flat;
	const char *kind;               /* of what is wrong, with `why`; NULL: it is whole */
	char *why;
};

struct check {
	itr_manifest *m;
	const itr_check_opts *o;
	struct seen *seen;
};

static void complain(struct seen *s, const char *path, const char *bytes, size_t n, const itr_err *err)
{
	const char *unread = itr_intake_unread_kind(path, bytes, n);
	s->kind = unread ? "picture of a kind that is not read yet (left out)" : "picture damaged";
	s->why = unread ? itr_xasprintf("%s: %s; PNG and JPEG are read", path, unread) : itr_xstrdup(err->msg);
}

static void look(void *ctx, int64_t i, int worker)
{
	struct check *c = ctx;
	struct seen *s = &c->seen[i];
	itr_err err = ITR_ERR_INIT;
	size_t n;
	(void)worker;
	if (c->o->interrupted && *c->o->interrupted)
		return;
	char *path = itr_manifest_image_path(c->m, &c->m->records[i]), *b = itr_path_read_named(path, MAX_PICTURE, &n, &err);
	if (!b) {
		const char *unread = itr_intake_unread_kind(path, NULL, 0);
		s->kind = itr_path_exists(path) ? "picture damaged" : "picture missing";
		s->why = unread ? itr_xasprintf("%s (and %s is not read yet: PNG and JPEG are)", err.msg, unread) : itr_xstrdup(err.msg);
	} else {
		itr_image img = { 0, 0, NULL };
		itr_sha256_bytes(b, n, s->sha256);
		if (itr_image_whole(b, n, path, &err) < 0 || (c->o->decode && itr_image_decode(&img, b, n, path, NULL, &err) < 0))
			complain(s, path, b, n, &err);
		else if (c->o->decode)
			s->hash = itr_image_phash(&img, &s->flat);
		s->width = img.width;
		s->height = img.height;
		itr_image_free(&img);
	}
	free(b);
	free(path);
	if (c->o->progress)
		c->o->progress(c->o->progress_ctx, 1);
}

int64_t itr_dataset_check(itr_manifest *m, const itr_check_opts *o, itr_issues *f, itr_err *err)
{
	struct check c = { m, o, itr_xcalloc((size_t)ITR_MAX(m->n, 1), sizeof *c.seen) };
	int64_t kept = 0, n = m->n;
	itr_parallel_for(o->threads, n, look, &c);
	bool stopped = o->interrupted && *o->interrupted;
	m->n_captions = 0;
	for (int64_t i = 0; i < n; i++) {
		struct seen *s = &c.seen[i];
		itr_record *r = &m->records[i];
		if (s->kind) {
			itr_issues_add(f, s->kind, "%s", s->why);
			free(s->why);
			continue;
		}
		r->sha256 = itr_manifest_str(m, s->sha256);
		if (s->width)
			r->width = s->width, r->height = s->height;
		r->has_phash = s->width && !s->flat;
		memcpy(r->phash, s->hash.bits, sizeof r->phash);
		m->n_captions += r->n_captions;
		m->records[kept++] = *r;
	}
	m->n = kept;
	free(c.seen);
	return stopped ? itr_err_set(err, "interrupted") : n - kept;
}

/* --- where the manifest finds them ---------------------------------------------------------------------------------------------------- */

static int copy_file(const char *from, const char *to, itr_err *err)
{
	size_t n;
	char *b = itr_path_read_named(from, MAX_PICTURE, &n, err);
	int rc = b ? itr_atomic_write(to, b, n, err) : -1;
	free(b);
	return rc;
}

/* Below images/: the path below `base`, or the name alone; where another picture has taken that name (a/1.jpg and b/1.jpg, both elsewhere),
 * the id with the extension. */
static int place_copy(itr_manifest *m, itr_record *r, const char *dir, const char *base, itr_map *taken, itr_err *err)
{
	size_t n = base ? strlen(base) : 0;
	while (n && base[n - 1] == '/')
		n--;
	const char *name = n && !strncmp(r->image, base, n) && r->image[n] == '/' ? r->image + n + 1 : itr_path_basename(r->image);
	char *other = itr_xasprintf("%s%s", r->id, itr_path_extension(r->image)),
	     *below = itr_path_join("images", itr_map_has(taken, name) ? other : name), *to = itr_path_join(dir, below);
	int rc = itr_path_is_safe(below) && itr_map_add(taken, below + strlen("images/"), 0)
	                 ? copy_file(r->image, to, err)
	                 : itr_err_set(err,
	                               "'%s' cannot be copied below '%s': another picture has its name, and its id is no name of a file",
	                               r->image, dir);
	r->image = itr_manifest_str(m, below);
	free(other);
	free(below);
	free(to);
	return rc;
}

int itr_dataset_place(itr_manifest *m, const char *dir, const char *base, bool copy, itr_err *err)
{
	if (itr_path_mkdirs(dir, err) < 0)
		return -1;
	itr_map *taken = itr_map_new();
	int rc = 0;
	for (int64_t i = 0; i < m->n && rc == 0; i++) {
		itr_record *r = &m->records[i];
		if (copy) {
			rc = place_copy(m, r, dir, base, taken, err);
			continue;
		}
		char *relative = itr_dataset_relative(dir, r->image);
		r->image = itr_manifest_str(m, relative);
		free(relative);
	}
	itr_map_free(taken);
	free(m->root);
	m->root = itr_xstrdup(dir);
	return rc;
}
