/* Relevance as the package eccv_caption ships it: DIR/{eccv,cxc,original}_{caption_to_image,image_to_caption}.json; DIR/coco_test_ids.npy,
 * where it is there, has the captions in the order in which coco-1k cuts their images. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/path.h"
#include "evaluate/qrels_internal.h"
#include "io/npz.h"

/* Caption ids in the package's order; NULL when the file is not there or not readable (it is only needed for order). */
static int64_t *caption_order(const itr_qrels_reading *r, const char *dir, int64_t *n)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_array_info info;
	char *path = itr_path_join(dir, "coco_test_ids.npy");
	itr_npz *z = itr_path_exists(path) ? itr_npz_open(path, &ignored) : NULL;
	int64_t *ids = z ? itr_npz_i64(z, "", &info, &ignored) : NULL;
	*n = ids ? info.count : 0;
	if (z)
		itr_npz_close(z);
	if (ids)
		itr_qrels_input(r, path);
	free(path);
	return ids;
}

/* Images in the order in which their captions come; NULL unless every image is met. */
static int64_t *image_order(const itr_qrels_reading *r, const int64_t *ids, int64_t n)
{
	const int64_t images = r->table->n[ITR_IMAGE];
	int64_t *order = itr_xmalloc(((size_t)images + 1) * sizeof *order), k = 0;
	bool *met = itr_xcalloc((size_t)images + 1, sizeof *met);
	for (int64_t i = 0; i < n && !r->grow; i++) {
		char id[32];
		snprintf(id, sizeof id, "%lld", (long long)ids[i]);
		int64_t text = itr_map_get(r->id[ITR_TEXT], id, -1), image = text >= 0 ? r->table->text_image[text] : -1;
		if (image >= 0 && !met[image]) {
			met[image] = true;
			order[k++] = image;
		}
	}
	free(met);
	if (k == images)
		return order;
	free(order);
	return NULL;
}

static int read_map(itr_qrels_reading *r, itr_modality m, const char *path, itr_err *err)
{
	itr_json *map = itr_json_read(path, err);
	int rc = map ? itr_qrels_add_map(r, m, map, path, err) : -1;
	itr_json_free(map);
	itr_qrels_input(r, path);
	r->side[m].present = true;
	return rc;
}

static int read_package(itr_qrels_reading *r, const char *dir, const char *stem, itr_err *err)
{
	char *t2i = itr_xasprintf("%s/%s_caption_to_image.json", dir, stem), *i2t = itr_xasprintf("%s/%s_image_to_caption.json", dir, stem);
	int rc = read_map(r, ITR_TEXT, t2i, err) < 0 || read_map(r, ITR_IMAGE, i2t, err) < 0 ? -1 : 0;
	int64_t n = 0, *ids = rc == 0 ? caption_order(r, dir, &n) : NULL;
	if (ids)
		r->fold_order = image_order(r, ids, n);
	itr_aligned_free(ids);
	free(t2i);
	free(i2t);
	return rc;
}

static int read_eccv(itr_qrels_reading *r, const char *dir, itr_err *err) { return read_package(r, dir, "eccv", err); }
static int read_cxc(itr_qrels_reading *r, const char *dir, itr_err *err) { return read_package(r, dir, "cxc", err); }
static int read_coco(itr_qrels_reading *r, const char *dir, itr_err *err) { return read_package(r, dir, "original", err); }

const itr_qrels_reader itr_qrels_eccv = {
	.name = "eccv",
	.prefix = "eccv:",
	.meta = "eccv:DIR",
	.summary = "ECCV Caption, of the package eccv_caption",
	.read = read_eccv,
};

const itr_qrels_reader itr_qrels_cxc = {
	.name = "cxc",
	.prefix = "cxc:",
	.meta = "cxc:DIR",
	.summary = "Crisscrossed Captions, of the same package",
	.read = read_cxc,
};

const itr_qrels_reader itr_qrels_coco = {
	.name = "coco",
	.prefix = "coco:",
	.meta = "coco:DIR",
	.summary = "COCO's own captions in its order, for coco-1k",
	.read = read_coco,
	.original_captions = true,
};
