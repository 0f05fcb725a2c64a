/* scenes_write.c - a data set of scenes on disk, in COCO's layout: pictures in parallel, then the annotations and the manifest in order. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "data/scenes_internal.h"

enum { DEFAULT_SIZE = 224, DEFAULT_QUALITY = 90, MAX_JPEG = 1 << 26 };

struct made {
	itr_scene scene;
	char sha256[ITR_SHA256_HEX];
};

struct job {
	const itr_scenes_opts *o;
	const char *dir;
	int size, quality;
	struct made *made;
	pthread_mutex_t lock;
	itr_err *err;
	int failed;
};

static char *image_name(int64_t index) { return itr_xasprintf("images/%012lld.jpg", (long long)index + 1); }

/* Beside its target, then renamed: a killed run leaves no half picture. No fsync, unlike every other output: thousands of them take longer
 * than drawing, and what a power cut empties is drawn again, byte for byte, by the same command (keep_old looks at both ends of the file).
 */
static int write_whole(const char *path, const uint8_t *bytes, size_t n, itr_err *err)
{
	char *temp = itr_xasprintf("%s.tmp", path);
	FILE *f = fopen(temp, "wb");
	bool ok = f && fwrite(bytes, 1, n, f) == n;
	if (f)
		ok = fclose(f) == 0 && ok;
	ok = ok && rename(temp, path) == 0;
	int rc = ok ? 0 : itr_err_errno(err, "cannot write '%s'", path);
	if (!ok)
		unlink(temp);
	free(temp);
	return rc;
}

/* What an earlier run left counts only when it is a whole JPEG. */
static bool keep_old(struct made *m, const char *path)
{
	size_t n;
	char *b = itr_path_size(path) > 4 ? itr_path_read(path, MAX_JPEG, &n, NULL) : NULL;
	bool whole = b && !memcmp(b, "\xFF\xD8", 2) && !memcmp(b + n - 2, "\xFF\xD9", 2);
	if (whole)
		itr_sha256_bytes(b, n, m->sha256);
	free(b);
	return whole;
}

static int make_one(struct job *j, int64_t i, itr_err *err)
{
	struct made *m = &j->made[i];
	char *name = image_name(i), *path = itr_path_join(j->dir, name);
	itr_image img = { 0, 0, NULL };
	uint8_t *bytes = NULL;
	size_t n = 0;
	int rc = 0;
	itr_scene_make(&m->scene, j->o->seed, i);
	if (keep_old(m, path)) {
		itr_scene_measure(&m->scene, j->size);
	} else {
		itr_scene_render(&img, &m->scene, j->size);
		rc = itr_image_encode_jpeg(&img, j->quality, &bytes, &n, err);
		if (rc == 0) {
			itr_sha256_bytes(bytes, n, m->sha256);
			rc = write_whole(path, bytes, n, err);
		}
	}
	itr_image_free(&img);
	free(bytes);
	free(path);
	free(name);
	return rc;
}

static void piece(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	itr_err err = ITR_ERR_INIT;
	(void)worker;
	if (__atomic_load_n(&j->failed, __ATOMIC_RELAXED) || (j->o->interrupted && *j->o->interrupted))
		return;
	if (make_one(j, i, &err) < 0) {
		pthread_mutex_lock(&j->lock);
		if (!j->failed && j->err)
			*j->err = err;
		__atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&j->lock);
	} else if (j->o->progress) {
		j->o->progress(j->o->progress_ctx, 1);
	}
}

/* --- annotations: text written as it goes, the key order that COCO's own files have ------------------------------------------------- */

static void print_head(itr_buf *b, const itr_provenance *p)
{
	itr_buf_puts(b, "{\"info\":{\"description\":\"synthetic scenes, made by fetch-coco\",\"version\":\"1.0\",\"synthetic\":true");
	char *text = p ? itr_provenance_text(p) : NULL;
	if (text && text[0])
		itr_buf_printf(b, ",\"itr_provenance\":%s", text);
	free(text);
	itr_buf_puts(b, "},\"licenses\":[]");
}

static void print_images(itr_buf *b, const struct job *j)
{
	itr_buf_puts(b, ",\"images\":[");
	for (int64_t i = 0; i < j->o->n; i++)
		itr_buf_printf(b, "%s{\"license\":0,\"file_name\":\"%012lld.jpg\",\"height\":%d,\"width\":%d,\"id\":%lld}", i ? "," : "",
		               (long long)i + 1, j->size, j->size, (long long)i + 1);
	itr_buf_puts(b, "]");
}

static void print_captions(itr_buf *b, const itr_manifest *m)
{
	itr_buf_puts(b, ",\"annotations\":[");
	for (int64_t i = 0; i < m->n; i++)
		for (int64_t k = 0; k < m->records[i].n_captions; k++) {
			itr_buf_printf(b, "%s{\"image_id\":%s,\"id\":%s,\"caption\":", i || k ? "," : "", m->records[i].id,
			               m->records[i].captions[k].id);
			itr_json_print_string(b, m->records[i].captions[k].text);
			itr_buf_putc(b, '}');
		}
	itr_buf_puts(b, "]}\n");
}

static void print_instances(itr_buf *b, const struct job *j)
{
	int64_t id = 0;
	itr_buf_puts(b, ",\"annotations\":[");
	for (int64_t i = 0; i < j->o->n; i++) {
		const itr_scene *s = &j->made[i].scene;
		for (int k = 0; k < s->n; k++) {
			const itr_scene_object *o = &s->objects[k];
			itr_buf_puts(b, id ? ",{\"segmentation\":[[" : "{\"segmentation\":[[");
			scene_print_outline(b, o, j->size);
			itr_buf_printf(
				b,
				"]],\"area\":%lld,\"iscrowd\":0,\"image_id\":%lld,\"bbox\":[%d,%d,%d,%d],\"category_id\":%d,\"id\":%lld}",
				(long long)o->area, (long long)i + 1, o->box[0], o->box[1], o->box[2], o->box[3], o->shape + 1,
				(long long)++id);
		}
	}
	itr_buf_puts(b, "],\"categories\":[");
	for (int c = 0; c < ITR_SCENE_SHAPES; c++)
		itr_buf_printf(b, "%s{\"supercategory\":\"shape\",\"id\":%d,\"name\":\"%s\"}", c ? "," : "", c + 1,
		               itr_scene_shape_name(c));
	itr_buf_puts(b, "]}\n");
}

static int write_annotations(const struct job *j, const itr_manifest *m, const itr_provenance *p, itr_err *err)
{
	int rc = 0;
	for (int instances = 0; instances < 2 && rc == 0; instances++) {
		itr_buf b = ITR_BUF_INIT;
		char *path = itr_path_join(j->dir, instances ? "annotations/instances_scenes.json" : "annotations/captions_scenes.json");
		print_head(&b, p);
		print_images(&b, j);
		if (instances)
			print_instances(&b, j);
		else
			print_captions(&b, m);
		rc = itr_atomic_write(path, b.data, b.len, err);
		free(path);
		itr_buf_free(&b);
	}
	return rc;
}

static void fill_manifest(const struct job *j, itr_manifest *m)
{
	itr_buf captions[ITR_SCENE_CAPTIONS] = { ITR_BUF_INIT };
	char id[32], caption_id[32];
	for (int64_t i = 0; i < j->o->n; i++) {
		const struct made *d = &j->made[i];
		char *name = image_name(i);
		bool told[ITR_SCENE_SHAPES] = { false };
		snprintf(id, sizeof id, "%lld", (long long)i + 1);
		itr_record *r = itr_manifest_add(m, id, name);
		r->width = r->height = j->size;
		r->synthetic = true;
		r->sha256 = itr_manifest_str(m, d->sha256);
		itr_scene_captions(&d->scene, captions);
		for (int k = 0; k < ITR_SCENE_CAPTIONS; k++) {
			snprintf(caption_id, sizeof caption_id, "%lld", (long long)i * ITR_SCENE_CAPTIONS + k + 1);
			itr_record_add_caption(m, r, caption_id, itr_buf_str(&captions[k]));
		}
		for (int k = 0; k < d->scene.n; k++)
			told[d->scene.objects[k].shape] = true;
		for (int c = 0; c < ITR_SCENE_SHAPES; c++)
			if (told[c])
				itr_record_add_label(m, r, itr_scene_shape_name(c));
		free(name);
	}
	m->synthetic = true;
	for (int k = 0; k < ITR_SCENE_CAPTIONS; k++)
		itr_buf_free(&captions[k]);
}

int itr_scenes_write(const char *dir, const itr_scenes_opts *o, itr_manifest *m, const itr_provenance *p, itr_err *err)
{
	struct job j = { .o = o,
		         .dir = dir,
		         .size = o->size ? o->size : DEFAULT_SIZE,
		         .quality = o->quality ? o->quality : DEFAULT_QUALITY,
		         .err = err,
		         .lock = PTHREAD_MUTEX_INITIALIZER };
	char *images = itr_path_join(dir, "images");
	int rc = itr_path_mkdirs(images, err);
	if (rc == 0) {
		j.made = itr_xcalloc((size_t)ITR_MAX(o->n, 1), sizeof *j.made);
		itr_parallel_for(o->threads, o->n, piece, &j);
		rc = j.failed                            ? -1
		     : o->interrupted && *o->interrupted ? itr_err_set(err, "interrupted; the same command resumes here")
		                                         : 0;
	}
	if (rc == 0) {
		free(m->root);
		m->root = itr_xstrdup(dir);
		fill_manifest(&j, m);
		rc = write_annotations(&j, m, p, err);
	}
	free(j.made);
	free(images);
	return rc;
}
