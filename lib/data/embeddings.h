/* embeddings.h - text rows, image rows, ids, which text belongs to which image, split, labels: from any file that holds vectors. A reader
 * is one file that exports one descriptor and one line in embeddings.def.
 *
 *	itr_embeddings e;
 *	if (itr_embeddings_open(&e, "features.h5", 2, err) < 0)
 *		return -1;
 *	itr_embeddings_free(&e);
 *
 * Memory is the arrays themselves: a one-hot captions/label (3 GB at full size) is streamed to indices, never held.
 */
#ifndef ITR_DATA_EMBEDDINGS_H
#define ITR_DATA_EMBEDDINGS_H

#include "data/picture_opts.h"
#include "data/row_table.h"

typedef struct itr_embeddings_side {
	int64_t dim;                    /* 0: the file has no vectors of this side */
	float *rows;                    /* (n, dim), itr_aligned_alloc'd; NULL without vectors */
	char *encoder, *weights_sha256, *preprocess;    /* what made them; NULL: unknown */
	int64_t zero_rows;              /* rows without direction, as found */
} itr_embeddings_side;

typedef struct itr_embeddings {
	itr_row_table table;
	itr_embeddings_side side[2];
	itr_picture_opts pictures;      /* that the images were decoded with; of a feature store */
} itr_embeddings;

typedef struct itr_embeddings_reader {
	const char *name, *summary;
	bool (*is)(const char *path);   /* by its content; the last of the table takes everything, and says what is wrong with it */
	/* Table and rows, as stored: checking and normalising is itr_embeddings_open's. 0; -1 with err, e holds whatever there was */
	int (*open)(itr_embeddings *e, const char *path, itr_err *err);
	const char *where[2];           /* what a message about a row calls the array of a side: "/text/pooled" */
} itr_embeddings_reader;

extern const itr_embeddings_reader *const itr_embeddings_readers[];     /* embeddings.def in its order, then NULL */

/* Opens a file of any kind, told apart by content. Rows are made unit length (rows of zeros stay and are counted), in training and in
 * inference alike: the baseline of document 003 forgets the latter. Images may be absent (a file of queries). NaN or infinity, wrong
 * shapes, labels out of range, several images in one one-hot row: -1 with err and e empty. A wrong key lists those present. */
ITR_MUST_USE int itr_embeddings_open(itr_embeddings *e, const char *path, int threads, itr_err *err);
/* The selected rows of one side, (s->n[m], dim), itr_aligned_alloc'd; the caller frees. */
float *itr_embeddings_rows(const itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n);
void itr_embeddings_free(itr_embeddings *e);

#endif
