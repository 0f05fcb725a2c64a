/* picture_opts.h - how a picture file becomes pixels, as stores and models remember it beside the rows that were made of them: other pixels
 * are other rows. */
#ifndef ITR_DATA_PICTURE_OPTS_H
#define ITR_DATA_PICTURE_OPTS_H

#include "image/image.h"
#include "io/json.h"

typedef struct itr_picture_opts {
	itr_alpha alpha;
	bool exif;                      /* as in itr_decode_opts */
	bool fast;                      /* a JPEG is decoded smaller where the encoder would make it smaller anyway */
} itr_picture_opts;
/* Members "alpha", "exif" and "fast_decode" of the config of a store or a model; what is missing is as by default. */
itr_picture_opts itr_picture_opts_get(const itr_json *config);
/* Those that are not as by default, into such a config. */
void itr_picture_opts_put(itr_json *config, const itr_picture_opts *o);

#endif
