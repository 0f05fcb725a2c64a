/* pairs.h - what an evaluation starts from: texts, images, and which belong together, wherever they come from (formats.md).
 *
 *   x.npz, x.h5          text_D, video_D, ground_truth, text_ids, video_ids, itr_provenance
 *   folder               clip-retrieval: text_emb/text_emb_*.npy and img_emb/img_emb_*.npy
 *   t.npy and i.npy      own vectors, opts.text and opts.image
 *   features.h5 + model  a feature store mapped by a projection; refused when the store's split is not the one that the model was fitted
 * beside
 *
 * Rows must be finite; they are made unit length unless opts.normalize is false. What is not as it should be but can be lived with is
 * counted here and warned about by itr_pairs_warnings; the rest is an error.
 */
#ifndef ITR_RETRIEVAL_PAIRS_H
#define ITR_RETRIEVAL_PAIRS_H

#include "base/err.h"
#include "io/json.h"
#include "io/provenance.h"
#include "retrieval/relevance.h"

typedef struct itr_pairs {
	char *name;                     /* as the user knows it */
	int64_t n_text, n_image, dim;
	float *text, *image;            /* (n, dim), itr_aligned_alloc'd; NULL when there are ids only (a TREC run is evaluated) */
	char **text_id, **image_id;     /* unique; row numbers where the source has none */
	bool has_ids;
	/* [n_text]: row of its image, -1: none. What is resampled together; also the relevance unless that is replaced */
	int64_t *text_image;
	itr_relevance *t2i, *i2t;
	char *relevance;                /* "ground_truth", "one to one", "5 captions an image", or what replaced it: "eccv:DIR" */
	int64_t *fold_order;            /* [n_image]: image rows in the order that coco-1k cuts; NULL: as they are */
	bool synthetic;
	int64_t unanswered;             /* texts with ground truth -1 */
	int64_t not_unit_text, not_unit_image, zero_text, zero_image;
	/* the vectors' own size, where a Gaussian matrix brought them to this one; 0: they are as they were */
	int64_t made_from;
	bool all_parts;                 /* a model is applied to every split, its training rows included */
	int64_t restval;                /* images of part restval that "train" took in */
	bool leaky;                     /* split by caption: images of the training part are in this one too */
	bool normalized_here, constant_text, constant_image;
	int64_t outside;                /* judged positives that are not in the gallery */
	itr_relevance *absent[2];       /* t2i, i2t: judged queries that are not among the rows, as queries of their own; NULL: none */
	char **absent_id[2];            /* [absent->queries] */
	itr_relevance *excluded[2];     /* t2i, i2t: rows that leave a query's gallery (itr_pairs_exclude); NULL: none */
	int64_t exclusions[2], own_positives;   /* pairs excluded; positives that were the query itself and left with it */
	char *exclude;                  /* what itr_pairs_exclude was asked for; NULL */
	bool judged;                    /* relevance comes from a judgement file */
	int64_t repeated;               /* judgements that stand in the file more than once, saying the same */
	/* texts whose caption another image of the gallery has too, where the captions are known and the relevance does not say so */
	int64_t equal_captions;
	char *captions_file;            /* which knows them */
	char *text_weights;             /* SHA-256 of the weights that made a feature store's texts; NULL: not told, or mapped by a model */
} itr_pairs;

typedef struct itr_pairs_opts {
	int64_t dim;                    /* which text_D, video_D; 0: the only size, or the largest */
	const char *text, *image;       /* own vectors (.npy) */
	/* .npy ([M] image rows, or [P,2] pairs) or .csv (image row a line, or text,image), replaces what the file holds */
	const char *ground_truth;
	int64_t captions_per_image;     /* 0: not said */
	const char *model, *split;      /* of a feature store; split NULL: every row */
	bool no_normalize;
	uint64_t seed;                  /* of the Gaussian map, when a store's vectors are asked for in another size */
	int threads;
} itr_pairs_opts;

/* path may be NULL when opts has text and image. Inputs are noted in p (may be NULL), `synthetic` too. NULL with err. */
itr_pairs *itr_pairs_open(const char *path, const itr_pairs_opts *o, itr_provenance *p, itr_err *err);
/* The sizes that an NPZ or HDF5 file has vectors of (text_D with video_D), ascending, at most max. How many; 0: it does not name sizes, or
 * cannot be read. */
int itr_pairs_sizes(const char *path, int64_t *size, int max);
void itr_pairs_free(itr_pairs *p);
/* Pairs from arrays: `draft` (from calloc) has name, n_text, n_image, dim, text, image, and may have ids, synthetic and all_parts; image[i]
 * is the row that text i belongs to. Takes draft over, checks and normalises its rows as itr_pairs_open does. NULL with err, draft freed.
 */
itr_pairs *itr_pairs_of(itr_pairs *draft, const int64_t *image, const itr_pairs_opts *o, itr_provenance *p, itr_err *err);


/* Replaces relevance by judgements, matched by id:
 *   eccv:DIR cxc:DIR coco:DIR   DIR/{eccv,cxc,original}_{caption_to_image,image_to_caption}.json as ECCV Caption ships them;
 * coco_test_ids.npy there fixes the order of coco-1k captions:FILE               equal captions are equal answers: FILE is a manifest or a
 * feature store, which has the words; only rows that are here count FILE.json                   {"t2i": {text: [image, ...]}, "i2t":
 * {...}}, or one map {text: [image, ...]} and its inverse; with grades {text: {image: 2, ...}} FILE                        TREC qrels:
 * QUERY 0 DOCUMENT RELEVANCE, or BEIR's with its header; a query is "t2i:ID" or "i2t:ID", or a plain id where only one reading is possible
 * Positives that are not in the gallery are counted in R and in pairs->outside; queries that are not there are pairs->absent. Refused:
 * judgements that contradict each other, grades that the conventions do not know. 0, or -1 with err. */
ITR_MUST_USE int itr_pairs_judge(itr_pairs *p, const char *spec, const itr_judging *judging, itr_provenance *provenance, itr_err *err);

/* Rows leave the galleries of single queries: the query itself where both sides hold the same things, a reference image of a composed
 * query. They are not ranked, and chance does not know them.
 *   self        rows of the other side with the query's own id; where they are among its positives, they leave these too (counted)
 *   FILE as relevance is read: FILE.json or qrels; a direction that it does not name excludes nothing. Ids that are not there are passed
 *   over After itr_pairs_judge. 0; -1 with err: nothing is excluded, or a positive is. */
ITR_MUST_USE int itr_pairs_exclude(itr_pairs *p, const char *spec, itr_provenance *provenance, itr_err *err);

/* Counts equal captions where `path`, a feature store or a manifest, has the words of p's texts; otherwise nothing happens. */
void itr_pairs_count_equal_captions(itr_pairs *p, const char *path);

/* Sentences for the user, pushed on a JSON array. */
void itr_pairs_warnings(const itr_pairs *p, itr_json *warnings);

#endif
