/* relevance.h - which gallery rows are relevant to which query, and with which grade: one list for each query, as offsets and rows (CSR).
 * Built from pairs in any order; each list is sorted and free of repeats. Rows are indices into the gallery, 0 <= row < gallery.
 * A grade above 0 is a positive; what ndcg counts for it is its gain: the grade itself, or 2^grade - 1. */
#ifndef ITR_RETRIEVAL_RELEVANCE_H
#define ITR_RETRIEVAL_RELEVANCE_H

#include "base/err.h"

typedef enum itr_gain { ITR_GAIN_LINEAR, ITR_GAIN_EXPONENTIAL } itr_gain;
extern const char *const itr_gain_names[];        /* "linear" "exponential" NULL */
double itr_gain_of(itr_gain gain, double grade);  /* 0 for grades of 0 and less */

/* Whose rules hold: itr as the README of this folder says; trec_eval and ranx as those programs do. */
typedef enum itr_conventions {
	ITR_CONVENTIONS_ITR,
	ITR_CONVENTIONS_TREC_EVAL,
	ITR_CONVENTIONS_RANX,
	ITR_CONVENTIONS_COUNT
} itr_conventions;
extern const char *const itr_conventions_names[]; /* "itr" "trec_eval" "ranx" NULL */
typedef struct itr_relevance_rules {
	itr_conventions conventions;
	itr_gain gain;
	bool skip_missing;              /* named queries without a ranking leave the mean; otherwise they count 0 */
} itr_relevance_rules;

typedef struct itr_relevance {
	int64_t queries, gallery;
	int64_t *offset;        /* [queries + 1] */
	int64_t *row;           /* positives of query q: row[offset[q] .. offset[q+1]), ascending, no repeats */
	/* [queries]: positives that a file names but the gallery lacks; they count in R (map_at_r, r_precision, ndcg's ideal) and nowhere
	 * else */
	int64_t *outside;
	double *grade;          /* parallel to row; NULL: all 1 */
	/* [queries + 1]: grades of all R positives of q, outside ones too, best first, are ideal[ideal_at[q] .. ideal_at[q+1]); NULL with
	 * grade */
	int64_t *ideal_at;
	double *ideal;
	bool *named;            /* [queries]: does the file of relevance name the query, if only with grades of 0? NULL: there is no file */
	itr_gain gain;
} itr_relevance;

/* Positives as pairs (query[i], row[i]); query[i] < 0 or row[i] < 0 is ignored (no positive). Anything else out of range is a programming
 * mistake: check what comes from files first (itr_row_numbers_check). Never fails. Free with itr_relevance_free. */
itr_relevance *itr_relevance_from_pairs(int64_t queries, int64_t gallery, const int64_t *query, const int64_t *row, int64_t pairs);
/* One positive a query: row[q], or -1 for none. */
itr_relevance *itr_relevance_from_map(int64_t queries, int64_t gallery, const int64_t *row);
/* Grades for the pairs that from_pairs was given (of a repeated pair, that of its first), and for positives outside: grade[i] of
 * outside_query[i]. All grades > 0. Where all are 1 nothing is kept. */
void itr_relevance_grade(itr_relevance *r, const int64_t *query, const int64_t *row, const double *grade, int64_t pairs,
                         const int64_t *outside_query, const double *outside_grade, int64_t outside);
/* The other direction: gallery rows become queries. Grades are carried over, `outside` and `named` are not. */
itr_relevance *itr_relevance_invert(const itr_relevance *r);
void itr_relevance_free(itr_relevance *r);
/* Takes the pairs of `pairs` (of the same queries and gallery) out of r, R and the ideal becoming smaller. How many there were. */
int64_t itr_relevance_remove(itr_relevance *r, const itr_relevance *pairs);

int64_t itr_relevance_all(const itr_relevance *r, int64_t q);   /* R: positives of q, outside ones too */
bool itr_relevance_names(const itr_relevance *r, int64_t q);    /* named by the file; without one: has a positive */
/* Does query q count (the mean is over such queries)? listed: there is a ranking of it. */
bool itr_relevance_counts(const itr_relevance *r, int64_t q, const itr_relevance_rules *rules, bool listed);
int64_t itr_relevance_pairs(const itr_relevance *r);            /* positives in all */
int64_t itr_relevance_count(const itr_relevance *r, int64_t q); /* positives of q that are in the gallery */
int64_t itr_relevance_find(const itr_relevance *r, int64_t q, int64_t row);     /* its place in r->row, or -1 */
bool itr_relevance_has(const itr_relevance *r, int64_t q, int64_t row);

#endif
