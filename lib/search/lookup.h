/* lookup.h - queries to a collection of pictures and captions: by id, by vector, by text, from one side to the other (or
 * for its own).
 *
 *	itr_lookup *l = itr_lookup_open("test.npz", &opts, &err);
 *	itr_lookup_query q[2];  itr_lookup_by_id(l, "123", &q[0], &err);  itr_lookup_texts(l, &words, 1, &q[1], &err);
 *	itr_lookup_result *r = itr_lookup_run(l, q, 2, 10, &err);
 *
 * Scoring is exact over the whole collection in the chosen precision (retrieval/topk.h).
 */
#ifndef ITR_SEARCH_LOOKUP_H
#define ITR_SEARCH_LOOKUP_H

#include "data/modality.h"
#include "io/json.h"
#include "encode/encode.h"
#include "retrieval/topk.h"

typedef struct itr_lookup_opts {
	itr_encode_opts rows;             /* dim, split, own vectors, threads, provenance */
	bool words;                       /* itr_lookup_texts will be called: the model's text encoder is opened */
	const char *text_weights;         /* of the model's published text encoder; NULL: found in the caches by their hash */
	const char *model;                /* maps rows that it has not made yet, and texts that are asked; NULL: neither */
	const char *manifest, *root;      /* pictures' paths and captions' words; NULL: ids only */
	itr_modality from, to;         /* the side of the queries' ids, the side that is searched */
	itr_precision precision;
	int64_t rescore;                  /* 0: none */
	int threads;
} itr_lookup_opts;

typedef struct itr_lookup itr_lookup;

typedef struct itr_lookup_query {
	char *id;                         /* NULL: not of the collection */
	char *text;                       /* caption, or what was asked; NULL unknown */
	int64_t row;                      /* in the collection, -1 none */
	float *vector;                    /* unit length */
} itr_lookup_query;

typedef struct itr_lookup_result {
	itr_hit *hits;                    /* k; row -1: the collection is smaller */
	bool *correct;                    /* k: belongs together; all false when unknown */
	/* of the first that belongs to the query in the whole collection, 1-based; 0: none or not known */
	int64_t rank;
} itr_lookup_result;

/* path NULL: opts.rows.in.vectors names them. NULL with err. */
itr_lookup *itr_lookup_open(const char *path, const itr_lookup_opts *o, itr_err *err);
void itr_lookup_close(itr_lookup *l);
const itr_row_table *itr_lookup_table(const itr_lookup *l);
int64_t itr_lookup_queries(const itr_lookup *l);        /* rows that may ask */
int64_t itr_lookup_size(const itr_lookup *l);           /* rows that are searched */
const char *itr_lookup_kernel(const itr_lookup *l);

/* Filling a query; the caller frees it with itr_lookup_query_free. An unknown id names the nearest. */
ITR_MUST_USE int itr_lookup_by_id(const itr_lookup *l, const char *id, itr_lookup_query *q, itr_err *err);
void itr_lookup_by_row(const itr_lookup *l, int64_t row, itr_lookup_query *q);
/* n texts through the model's text encoder and projection, into q[0..n); needs itr_lookup_opts.words. Without a model, with one of another
 * size or another than made the collection, or with a text that holds no word: -1 and what to do; nothing is to be freed then. */
ITR_MUST_USE int itr_lookup_texts(const itr_lookup *l, const char *const *text, int64_t n, itr_lookup_query *q, itr_err *err);
/* Every row of a .npy file; *n queries, the caller frees the array too. NULL with err. */
itr_lookup_query *itr_lookup_vectors(const itr_lookup *l, const char *npy, int64_t *n, itr_err *err);
void itr_lookup_query_free(itr_lookup_query *q);

/* The k best for each of n queries; a query is never its own answer. NULL with err; free with itr_lookup_results_free. */
itr_lookup_result *itr_lookup_run(const itr_lookup *l, const itr_lookup_query *q, int64_t n, int64_t k, itr_err *err);
void itr_lookup_results_free(itr_lookup_result *r, int64_t n);

/* --- showing -------------------------------------------------------------------------------------------------------------------------- */

const char *itr_lookup_id(const itr_lookup *l, int64_t row);          /* of a row that was found */
const char *itr_lookup_words(const itr_lookup *l, int64_t row);       /* a found caption's words; NULL unknown or a picture */
char *itr_lookup_path(const itr_lookup *l, int64_t row);              /* a found picture's file; NULL unknown; the caller frees */
/* {"query":{"id","text"},"rank":…,"results":[{"rank","id","path","text","score","correct"}]} */
itr_json *itr_lookup_json(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t k);
void itr_lookup_print(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t k, itr_buf *out);
/* The retrieval picture (plot/result_picture.h): captions asking for pictures. Needs a manifest. */
ITR_MUST_USE int itr_lookup_sheet(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t n, int64_t k,
                                  const char *png, itr_err *err);

#endif
