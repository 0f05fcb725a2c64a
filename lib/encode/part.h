/* part.h - one part of an extraction; between extract.c and part.c only. */
#ifndef ITR_ENCODE_PART_H
#define ITR_ENCODE_PART_H

#include "encode/extract.h"
#include "model/model.h"

typedef struct itr_extract_job {
	itr_image_text_set *s;           /* its rows are the manifest's records */
	const itr_extract_opts *o;
	itr_model *model;                /* a file's or published towers alone */
	itr_model_context *context;
	const itr_model_side *image, *text;      /* the model's; NULL: no vectors on that side */
	char preprocess[2][512];         /* what is done to a picture or text, as it is stored; by itr_modality */
	itr_features_layout layout;      /* of the whole, before failures */
	int64_t first, n;                /* images of the set */
	int64_t part_rows, batch;
	itr_extract_result *r;
} itr_extract_job;

/* Rows of a part: images with flag failed, and how many captions belong to them. */
typedef struct itr_part {
	int64_t first, n, n_texts;       /* images of the set; their captions */
	uint8_t *failed;                 /* n flags */
	int64_t n_failed, empty_texts;
	char *failures;                  /* one line each: "image 'ID': reason" */
} itr_part;

void itr_part_init(itr_part *p, const itr_extract_job *j, int64_t index);
void itr_part_free(itr_part *p);
/* Hash of all that decides the part's bytes. */
void itr_part_key(const itr_part *p, const itr_extract_job *j, char hex[ITR_SHA256_HEX]);
/* Reads flags and failures of a finished part if its key fits: 1; 0 if it must be made (again). */
int itr_part_load(itr_part *p, const itr_extract_job *j, const char *path);
/* Computes it into path. 0, or -1 with err (interrupted included). */
ITR_MUST_USE int itr_part_compute(itr_part *p, const itr_extract_job *j, const char *path, itr_err *err);

#endif
