/* lookup_internal.h - what lookup.c and show.c share. */
#ifndef ITR_SEARCH_LOOKUP_INTERNAL_H
#define ITR_SEARCH_LOOKUP_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "data/manifest.h"
#include "model/model.h"
#include "search/lookup.h"

struct itr_lookup {
	itr_lookup_opts o;
	itr_embeddings data;
	int64_t dim;                     /* of both sides */
	itr_gallery *gallery;
	itr_model *model;                /* turns words into vectors; NULL: words cannot be asked */
	itr_model_context *context;      /* of the model, where words are asked */
	itr_manifest *manifest;          /* NULL: no paths, no words */
	itr_map *image_record;           /* picture id -> record */
	itr_map *caption_text;           /* caption id -> its words (borrowed from the manifest) */
	itr_map *query_row;
};

#endif
