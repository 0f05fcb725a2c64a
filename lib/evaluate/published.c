#include "evaluate/published.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "io/table.h"

#define OPEN_CLIP "open_clip, docs/openclip_retrieval_results.csv"
#define NONE { -1, -1, -1 }

/* Zero-shot rows from open_clip's table; trained dual encoders from their papers and repositories. */
const itr_published itr_published_figures[] = {
	{ "CLIP RN50 (OpenAI)", "COCO 5K", { 28.54, 52.91, 64.59 }, { 48.84, 72.78, 82.12 }, true, OPEN_CLIP },
	{ "CLIP ViT-B/32 (OpenAI)", "COCO 5K", { 30.44, 55.94, 66.87 }, { 50.12, 75.00, 83.52 }, true, OPEN_CLIP },
	{ "CLIP ViT-B/16 (OpenAI)", "COCO 5K", { 33.09, 58.42, 68.99 }, { 52.42, 76.70, 84.62 }, true, OPEN_CLIP },
	{ "CLIP ViT-B/32 (LAION-2B)", "COCO 5K", { 39.34, 65.43, 75.61 }, { 56.32, 79.84, 87.12 }, true, OPEN_CLIP },
	{ "CLIP ViT-L/14 (OpenAI)", "COCO 5K", { 36.51, 61.06, 71.13 }, { 56.34, 79.38, 86.60 }, true, OPEN_CLIP },
	{ "SigLIP ViT-B/16", "COCO 5K", { 47.78, 72.44, 81.00 }, { 65.74, 85.42, 91.26 }, true, OPEN_CLIP },
	{ "SigLIP SO400M 384", "COCO 5K", { 54.21, 76.78, 84.24 }, { 72.42, 89.98, 94.48 }, true, OPEN_CLIP },
	{ "VSE++ (ResNet-152)", "COCO 5K", { 30.3, -1, -1 }, { 41.3, -1, -1 }, true, "as published" },
	{ "PCME", "COCO 5K", { 31.9, -1, -1 }, { 44.2, -1, -1 }, false, "as published" },
	{ "SCAN", "COCO 5K", { 38.6, -1, -1 }, { 50.4, -1, -1 }, false, "as published" },
	{ "VSE++", "COCO 1K", { 52.0, 84.3, 92.0 }, { 64.6, 90.0, 95.7 }, false, "as published" },
	{ "SCAN", "COCO 1K", { 58.8, 88.4, -1 }, { 72.7, 94.8, -1 }, true, "as published" },
	{ "PVSE K=1", "COCO 1K", { 53.5, -1, -1 }, { 66.7, -1, -1 }, true, "PCME repository" },
	{ "PVSE K=2", "COCO 1K", { 55.2, -1, -1 }, { 69.2, -1, -1 }, true, "PCME repository" },
	{ "PCME (CutMix)", "COCO 1K", { 54.6, -1, -1 }, { 68.8, -1, -1 }, true, "PCME repository" },
	{ "VSRN", "COCO 1K", { 62.8, -1, -1 }, { 76.2, -1, -1 }, true, "as published" },
	{ "VSRN + AOQ", "COCO 1K", { 63.5, -1, -1 }, { 77.5, -1, -1 }, true, "as published" },
	{ "VSE-inf (BUTD, BERT)", "COCO 1K", { 64.8, 91.4, -1 }, { 79.7, 96.4, -1 }, true, "as published" },
	{ "VSE-inf (grid)", "COCO 1K", { 66.4, -1, -1 }, { 80.4, -1, -1 }, true, "as published" },
	{ "VSE-inf (WSL grid)", "COCO 1K", { 72.0, -1, -1 }, { 84.5, -1, -1 }, true, "as published" },
	{ "CLIP RN50 (OpenAI)", "Flickr30k", { 57.36, 83.18, 90.04 }, { 80.0, 95.0, 97.9 }, true, OPEN_CLIP },
	{ "CLIP ViT-B/32 (OpenAI)", "Flickr30k", { 58.78, 83.56, 90.02 }, { 78.90, 94.90, 98.20 }, true, OPEN_CLIP },
	{ "CLIP ViT-B/32 (LAION-2B)", "Flickr30k", { 66.78, 88.38, 93.10 }, { 84.1, 96.2, 98.3 }, true, OPEN_CLIP },
	{ "CLIP ViT-L/14 (OpenAI)", "Flickr30k", { 64.96, 87.24, 92.04 }, { 85.2, 97.4, 99.2 }, true, OPEN_CLIP },
	{ "VSE++", "Flickr30k", { 39.6, -1, -1 }, { 52.9, -1, -1 }, true, "as published" },
	{ "SCAN", "Flickr30k", { 48.6, 77.7, -1 }, { 67.4, 90.3, -1 }, true, "as published" },
	{ "VSE-inf (BUTD, BERT)", "Flickr30k", { 61.4, -1, -1 }, { 81.7, -1, -1 }, true, "as published" },
};
const int itr_published_count = ITR_LEN(itr_published_figures);

const char *itr_published_set(const char *protocol, int64_t images)
{
	if (strcmp(protocol, "coco-1k") == 0)
		return "COCO 1K";
	if (strcmp(protocol, "coco-5k") == 0 || (strcmp(protocol, "full") == 0 && images == 5000))
		return "COCO 5K";
	return strcmp(protocol, "full") == 0 && images == 1000 ? "Flickr30k" : NULL;
}

static void add_recalls(itr_json *j, const char *side, const double *x)
{
	static const char *const keys[] = { "recall@1", "recall@5", "recall@10" };
	itr_json *o = itr_json_add_object(j, side);
	for (int k = 0; k < 3; k++)
		if (x[k] >= 0)
			itr_json_add_num(o, keys[k], x[k] / 100);
}

itr_json *itr_published_json(const char *set)
{
	itr_json *list = itr_json_array();
	for (int i = 0; i < itr_published_count; i++) {
		const itr_published *a = &itr_published_figures[i];
		if (strcmp(a->set, set) != 0)
			continue;
		itr_json *j = itr_json_push(list, itr_json_object());
		itr_json_add_str(j, "method", a->method);
		itr_json_add_str(j, "set", a->set);
		add_recalls(j, "t2i", a->t2i);
		add_recalls(j, "i2t", a->i2t);
		itr_json_add_bool(j, "verified", a->verified);
		itr_json_add_str(j, "source", a->source);
	}
	return list;
}

static void cells(itr_table *t, const double *x)
{
	for (int k = 0; k < 3; k++)
		if (x[k] >= 0)
			itr_table_cellf(t, "%.1f", x[k]);
		else
			itr_table_cell(t, "");
}

void itr_published_table(const itr_json *j, const char *set, int format, itr_buf *out)
{
	static const char *const names[] = { "method", "t2i R@1", "R@5", "R@10", "i2t R@1", "R@5", "R@10", "source" };
	static const char *const paths[] = { "t2i.recall@1", "t2i.recall@5", "t2i.recall@10",
		                             "i2t.recall@1", "i2t.recall@5", "i2t.recall@10" };
	itr_table *t = itr_table_new(ITR_LEN(names), names);
	double own[6];
	for (int k = 0; k < 6; k++)
		own[k] = 100 * itr_json_num(itr_json_path(j, paths[k]), -0.01);
	itr_table_cell(t, "this result");
	cells(t, own);
	cells(t, own + 3);
	itr_table_cell(t, "");
	for (int i = 0; i < itr_published_count; i++) {
		const itr_published *a = &itr_published_figures[i];
		if (strcmp(a->set, set) != 0)
			continue;
		itr_table_cell(t, a->method);
		cells(t, a->t2i);
		cells(t, a->i2t);
		itr_table_cellf(t, "%s%s", a->source, a->verified ? "" : " (at second hand, not verified)");
	}
	itr_buf_printf(out, "%sPublished on %s, per cent:\n", out->len ? "\n" : "", set);
	itr_table_print(t, (itr_table_format)format, out);
	itr_table_free(t);
}
