#include "data/picture_opts.h"

#include <string.h>

itr_picture_opts itr_picture_opts_get(const itr_json *config)
{
	const char *alpha = itr_json_str(itr_json_get(config, "alpha"), "");
	return (itr_picture_opts){
		.alpha = strcmp(alpha, itr_alpha_names[ITR_ALPHA_DROP]) ? ITR_ALPHA_WHITE : ITR_ALPHA_DROP,
		.exif = itr_json_bool(itr_json_get(config, "exif"), false),
		.fast = itr_json_bool(itr_json_get(config, "fast_decode"), false),
	};
}

void itr_picture_opts_put(itr_json *config, const itr_picture_opts *o)
{
	if (o->alpha != ITR_ALPHA_WHITE)
		itr_json_add_str(config, "alpha", itr_alpha_names[o->alpha]);
	if (o->exif)
		itr_json_add_bool(config, "exif", true);
	if (o->fast)
		itr_json_add_bool(config, "fast_decode", true);
}
