/* distances.h - how near a translated text comes to its own image, and how near to any: Euclidean, Manhattan and cosine distance to the
 * true and to a random target (document 003's verif.py), with the improvement in per cent, two pictures and a table. */
#ifndef ITR_EVALUATE_DISTANCES_H
#define ITR_EVALUATE_DISTANCES_H

#include "base/buf.h"
#include "data/embeddings.h"
#include "io/json.h"

/* {"euclidean": {"true": {mean, std, median}, "random": {...}, "improvement_percent"}, "manhattan", "cosine", "texts", "samples": [...]}. A
 * text's random target is another image than its own, drawn from default_rng([seed, 4]). With `stem`: STEM.distances.png (boxes of all
 * texts) and STEM.samples.png (the first 15 texts, one by one), their names under "figures". The caller frees. NULL with err. */
itr_json *itr_distances(const itr_embeddings *e, uint64_t seed, int threads, const char *stem, itr_err *err);
/* The same as a table for people, appended. */
void itr_distances_table(const itr_json *distances, itr_buf *out);
/* Mean cosine of texts to their own images. Rows are unit length. */
double itr_mean_cosine(const itr_embeddings *e);

#endif
