/* embeddings.h - text rows, image rows, ids, which text belongs to which image, split, labels: from any file that holds vectors. A reader
 * is one file that exports one descriptor and one line in embeddings.def.
 *
 *	itr_embeddings e;
 *	if (itr_embeddings_open(&e, "features.h5", &(itr_embeddings_opts){ .threads = 2 }, err) < 0)
 *		return -1;
 *	itr_embeddings_free(&e);
 *
 * Where a part alone is wanted, itr_embeddings_open_table() comes first, then itr_embeddings_load() with the rows that were selected.
 *
 * Memory is the arrays themselves: a one-hot captions/label (3 GB at full size) is streamed to indices, never held.
 */
#ifndef ITR_DATA_EMBEDDINGS_H
#define ITR_DATA_EMBEDDINGS_H

#include "data/picture_opts.h"
#include "data/row_table.h"
#include "io/row_file.h"
#include "io/provenance.h"

typedef enum itr_scaling {
	ITR_SCALE_UNIT,                 /* every row is made unit length, in training and in inference alike */
	ITR_SCALE_STORED,               /* rows stay as they are: of closed forms, which rescale themselves, and --no-normalize */
	ITR_SCALE_UNIT_IF_NEEDED        /* all rows of a side, if the length of one is off by 1e-3: unit rows keep their bits */
} itr_scaling;

#define ITR_MEMORY_OF_MACHINE SIZE_MAX

typedef struct itr_embeddings_opts {
	const char *vectors[2];         /* files of one side each, instead of one path: .npy, or what {predict} writes */
	const char *ground_truth;       /* a file that replaces what the vectors' file says (data/ground_truth.h); NULL */
	int64_t captions_per_image;     /* where nothing else says which image a text belongs to; 0: not said */
	bool unpaired;                  /* it may be unknown which text belongs to which image; else that is an error */
	int64_t dim;                    /* of files with several sizes (text_D, video_D), which one; 0: the only one, or the largest */
	itr_scaling scale;
	/* Bytes for vectors: whole sides that do not fit stay in the file, where its reader can do that. 0: all are loaded;
	 * ITR_MEMORY_OF_MACHINE: all, unless they take more than half of the machine's memory */
	size_t max_memory;
	unsigned sides;                 /* whose rows are read: ITR_HAS_TEXT, ITR_HAS_IMAGE; 0: those that are there */
	int threads;
	itr_provenance *provenance;     /* every file that is read is noted, `synthetic` too; NULL */
} itr_embeddings_opts;

typedef struct itr_embeddings_side {
	int64_t dim;                    /* 0: the file has no vectors of this side */
	float *rows;                    /* (n, dim), itr_aligned_alloc'd; NULL: no vectors, not read, or they stay in: */
	itr_row_file *file;             /* NULL: they do not. itr_embeddings_read, row_stream.h */
	size_t ahead;                   /* bytes for rows of the file that are read ahead */
	char *array;                    /* what messages call the array that held them: "text_512" */
	char *encoder, *weights_sha256, *preprocess;    /* what made them; NULL: unknown */
	/* as found, before they were rescaled */
	int64_t zero_rows, not_unit;    /* rows without direction; other rows whose length is off by more than 1e-3 */
	bool constant;                  /* all rows are equal */
	bool rescaled;
} itr_embeddings_side;

typedef struct itr_embeddings {
	itr_row_table table;
	itr_embeddings_side side[2];
	itr_picture_opts pictures;      /* that the images were decoded with; of a feature store */
	const struct itr_embeddings_reader *reader;
	void *file;                     /* of the reader, until the rows are read */
	itr_embeddings_opts opts;       /* that it was opened with; strings are borrowed until the rows are read */
} itr_embeddings;

typedef struct itr_embeddings_reader {
	const char *name, *summary;
	/* By its content; the last of the table takes everything, and says what is wrong with it */
	bool (*is)(const char *path, const itr_embeddings_opts *o);
	/* Table and widths of e->table.name (NULL where e->opts.vectors names files). ids and text_image may stay NULL: not known. 0; -1
	 * with err, e holds whatever there was */
	int (*open)(itr_embeddings *e, itr_err *err);
	/* Rows of a side, as stored: those of `rows` (n, ascending), or all where it is NULL. itr_aligned_alloc'd; NULL with err */
	float *(*load)(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err);
	/* The rows of a side stay in the file: sets e->side[m].file. 1; 0: they must be loaded; -1 with err. NULL: they always must */
	int (*stay)(itr_embeddings *e, itr_modality m, itr_err *err);
	void (*close)(itr_embeddings *e);       /* e->file; may be NULL where there is none */
	bool unit;                      /* its rows count as unit rows, for closed forms too (document 003) */
	bool features;                  /* its rows are what encoders made: two sides of two sizes are a model's input, not an error */
} itr_embeddings_reader;

extern const itr_embeddings_reader *const itr_embeddings_readers[];     /* embeddings.def in its order, then NULL */

/* Opens a file of any kind, told apart by content. Images may be absent (a file of queries). NaN or infinity, wrong shapes, an id twice,
 * labels out of range, several images in one one-hot row: -1 with err and e empty. A wrong key lists those present. */
ITR_MUST_USE int itr_embeddings_open(itr_embeddings *e, const char *path, const itr_embeddings_opts *o, itr_err *err);
/* The same without the rows: the table and the widths of both sides. -1 with err and e empty. */
ITR_MUST_USE int itr_embeddings_open_table(itr_embeddings *e, const char *path, const itr_embeddings_opts *o, itr_err *err);
/* Reads the selected rows (s NULL: all), checks and scales them; the table becomes that of the selection. -1 with err; e is still to be
 * freed. */
ITR_MUST_USE int itr_embeddings_load(itr_embeddings *e, const itr_selection *s, itr_err *err);
/* Checks rows that came from elsewhere (a model) as those of a file are checked, and scales them. */
ITR_MUST_USE int itr_embeddings_check(itr_embeddings *e, itr_scaling scale, int threads, itr_err *err);
/* The sizes that a file has vectors of (text_D with video_D), ascending, at most max. How many; 0: it does not name sizes, or cannot be
 * read. */
int itr_embeddings_sizes(const char *path, int64_t *size, int max);
/* The selected rows of one side that is loaded, (n, dim), itr_aligned_alloc'd; the caller frees. */
float *itr_embeddings_rows(const itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n);
bool itr_embeddings_has(const itr_embeddings *e, itr_modality m);       /* has it rows of this side, loaded or in the file? */
/* Rows, loaded or not, into out (n, dim), scaled as opened. Thread-safe. -1 with err: they are in a file that cannot be read any more, or
 * that has changed. */
ITR_MUST_USE int itr_embeddings_read(const itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, float *out, itr_err *err);
/* Are all rows (nearly) one vector? Of a file, some thousands are looked at. */
bool itr_embeddings_alike(const itr_embeddings *e, itr_modality m);
/* Parts of itr_embeddings_load: which sides stay in the file, as opts.max_memory says; checking the rows of those, as it checks loaded
 * ones.
 */
ITR_MUST_USE int itr_embeddings_stay(itr_embeddings *e, itr_err *err);
ITR_MUST_USE int itr_embeddings_check_file(itr_embeddings *e, itr_modality m, itr_scaling scale, int threads, itr_err *err);
/* Moves rows (ascending) of x (more, dim) to its front: what a reader without random access does in load. */
void itr_embeddings_keep(float *x, int64_t dim, const int64_t *rows, int64_t n);
void itr_embeddings_free(itr_embeddings *e);

#endif
