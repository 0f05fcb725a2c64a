/* row_table.h - which rows a data set has, without their vectors or pixels: ids, which text belongs to which image, split, labels.
 * Embeddings, feature stores and manifests that are trained on each hold one, so what is asked of rows (a part, groups, the record of a
 * split) is written once.
 *
 *	itr_selection s;
 *	if (itr_row_table_select(&s, &e->table, "test", 0, err) < 0)
 *		return -1;
 *	use(s.row[ITR_TEXT], s.row[ITR_IMAGE], s.text_image);
 *	itr_selection_free(&s);
 */
#ifndef ITR_DATA_ROW_TABLE_H
#define ITR_DATA_ROW_TABLE_H

#include "data/modality.h"
#include "data/split.h"

typedef struct itr_row_table {          /* owns all that it points to, but for what `borrows` says */
	char *name;                     /* as the user knows it: the file */
	int64_t n[2];
	char **id[2];                   /* [n] unique */
	bool numbered;                  /* the source has no ids of one side or both: row numbers */
	int64_t *text_image; /* [n[ITR_TEXT]] row of its image, -1: none; NULL: no image side, not known, or ids alone (a TREC run's) */
	char *truth;                    /* what text_image comes from: "row by row", a file; NULL: it is the data's own, "ground_truth" */
	/* Where a text may have several images: n_pairs rows of texts and of images; text_image is each text's first. 0: one each */
	int64_t n_pairs, *pair[2];
	itr_split *part[2];             /* [n]; both NULL without a split, the images' alone where it is by caption */
	bool split_from_file;           /* it came with the data; else it was made by: */
	itr_split_by split_by;
	char *groups;                   /* of ITR_SPLIT_BY_GROUP: the file, as an absolute path */
	char **caption, **path;         /* [n[ITR_TEXT]], [n[ITR_IMAGE]]; NULL: not read */
	/* Labels of images: those of image i are label[label_start[i] .. label_start[i + 1] - 1]; label_start NULL: none, or not read yet
	 */
	int64_t n_labels, *label_start, *label;
	char **label_name;
	/* Reads them from a store, on demand, since most programs do not need them; NULL: there is nothing to read. 0, or -1 with err. */
	int (*read_labels)(struct itr_row_table *t, itr_err *err);
	bool synthetic;
	bool borrows;                   /* the strings of id, caption, path and label_name belong to a manifest, which outlives the table */
} itr_row_table;

bool itr_row_table_has_split(const itr_row_table *t);
bool itr_row_table_is_leaky(const itr_row_table *t);    /* split by caption: one image may be in several parts */
void itr_row_table_drop_split(itr_row_table *t);
void itr_row_table_drop_words(itr_row_table *t);        /* captions and paths, about 100 MB for COCO: whoever needs vectors alone */
void itr_row_table_free(itr_row_table *t);              /* what it points to; t is then empty */

typedef struct itr_selection {
	int64_t n[2], *row[2];          /* rows of the table, ascending */
	int64_t *text_image;            /* [n[ITR_TEXT]] place of the text's image in row[ITR_IMAGE]; -1: not among them */
	int64_t restval; /* images (texts, where the split is by caption) of restval among them, when "train" was asked for */
} itr_selection;

enum {
	ITR_SELECT_CAPTIONED_IMAGES =
		1,                  /* only images that one of the selected texts belongs to; always so where the split is by caption */
	ITR_SELECT_MAY_BE_EMPTY = 2 /* no row is no error */
};
/* Rows of a part by its name; NULL: all. "train" takes restval in. The only function that turns a part into rows. 0; -1 with err and s
 * empty: an unknown name (the nearest is named), no split, or no text or no image in the part. Free with itr_selection_free. */
ITR_MUST_USE int itr_row_table_select(itr_selection *s, const itr_row_table *t, const char *part, unsigned how, itr_err *err);
void itr_selection_free(itr_selection *s);
/* The selected rows of t (s NULL: all) as a table of their own, which outlives t; captions, paths and labels stay behind. */
void itr_row_table_part(itr_row_table *to, const itr_row_table *t, const itr_selection *s);
/* How many texts a part has (train: restval too) of a table that is split; all of them where it is not. */
int64_t itr_row_table_count(const itr_row_table *t, itr_split part);
/* Images of n texts (rows), each once, ascending, and per text the place of its image among them. The caller frees both. */
int64_t *itr_row_table_images_of(const itr_row_table *t, const int64_t *texts, int64_t n, int64_t **place, int64_t *n_images);
/* Row numbers from a file: row[i] is -1 or in [0, n): 0, or -1 with err that names the first that is not as "NAME[i]". */
ITR_MUST_USE int itr_row_numbers_check(const int64_t *row, int64_t rows, int64_t n, const char *name, itr_err *err);

#endif
