/* verify.h - what can be wrong with vectors although the file is whole: NaN, zero, constant, repeated, of odd length, one side apart from
 * the other. */
#ifndef ITR_ENCODE_VERIFY_H
#define ITR_ENCODE_VERIFY_H

#include "base/buf.h"
#include "data/features.h"

enum { ITR_VERIFY_BINS = 8 };

typedef struct itr_verify_side {
	int64_t rows, dim;
	int64_t bad_rows;                /* NaN or infinity */
	int64_t first_bad;               /* row, or -1 */
	int64_t zero_rows;
	int64_t repeated_rows;           /* bit-equal to an earlier row */
	int64_t constant_dims;           /* the same number in every row */
	double norm_min, norm_max, norm_mean;
	int64_t norm_count[ITR_VERIFY_BINS];     /* histogram of norms between norm_min and norm_max */
	bool constant;                   /* all rows are one row */
} itr_verify_side;

typedef struct itr_verify {
	itr_verify_side image, text;     /* rows 0: the store has no such vectors */
	bool has_gap;                    /* both sides have one size */
	double gap;                      /* distance of the means of the unit rows (Liang et al. 2022, "Mind the gap") */
} itr_verify;

/* Reads all pooled vectors, a block at a time. 0, or -1 with err. */
ITR_MUST_USE int itr_verify_store(const itr_features *f, itr_verify *v, itr_err *err);
/* True when nothing is wrong: no bad rows, not constant. Zero and repeated rows are worth a look but may be right (empty, repeated
 * captions). */
bool itr_verify_ok(const itr_verify *v);

/* The issues for people and for programs. */
void itr_verify_print(const itr_verify *v, itr_buf *out);
void itr_verify_json(const itr_verify *v, itr_json *into);

/* --- the same rows in another store --------------------------------------------------------------------------------------------------- */

typedef struct itr_against_side {
	int64_t rows;                            /* 0: neither store has such vectors */
	double least, percentile, median, mean;  /* of the cosines; percentile: 1 % of the rows are below */
} itr_against_side;

typedef struct itr_against { itr_against_side image, text; } itr_against;

/* Cosine of each row of `a` and the row of the same id in `b`: what a precision changed. Other ids or widths: -1 with err. Holds both
 * stores' vectors. */
ITR_MUST_USE int itr_verify_against(const itr_features *a, const itr_features *b, itr_against *out, itr_err *err);
void itr_against_print(const itr_against *v, itr_buf *out);
void itr_against_json(const itr_against *v, itr_json *into);

/* All of it about a file: the store at `path`, compared with the one at `against` (NULL: none), as text and into an object. 1: nothing is
 * wrong, 0: something is, -1 with err. */
ITR_MUST_USE int itr_verify_file(const char *path, const char *against, itr_buf *text, itr_json *json, itr_err *err);

#endif
