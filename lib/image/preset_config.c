/* Reads the preprocessing from the configuration files of three libraries. An unsupported setting is an error that names it. Sources:
 * timm's resolve_data_config and transforms_imagenet_eval; transformers' image processors (Pillow); open_clip's image_transform_v2. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "image/preset.h"

enum { MAX_SIDE = 4096 };
static const double imagenet[2][3] = { { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } },
		    openai[2][3] = { { 0.48145466, 0.4578275, 0.40821073 }, { 0.26862954, 0.26130258, 0.27577711 } };
static const char *const names[] = { [ITR_PUBLISHED_TIMM] = "timm-config",
	                             [ITR_PUBLISHED_TRANSFORMERS] = "transformers-config",
	                             [ITR_PUBLISHED_OPEN_CLIP] = "open_clip-config" };

static int not_built(itr_err *err, const char *key, const char *value)
{
	return itr_err_set(err,
	                   "it asks for pictures with %s %.60s, which is not built: choose the preprocessing yourself, with --preset NAME",
	                   key, value);
}

/* A member that exists and is not null, or NULL. */
static const itr_json *given(const itr_json *j, const char *key)
{
	const itr_json *v = itr_json_get(j, key);
	return itr_json_is_null(v) ? NULL : v;
}

/* --- values ------------------------------------------------------------------------------------------------------------------------- */

static int read_three(const itr_json *j, const char *key, bool divisor, double out[3], itr_err *err)
{
	const itr_json *v = given(j, key);
	for (int c = 0; v && c < 3; c++) {
		out[c] = itr_json_is_number(v) ? itr_json_num(v, 0) : itr_json_count(v) == 3 ? itr_json_num(itr_json_at(v, c), NAN) : NAN;
		if (!isfinite(out[c]) || fabs(out[c]) > 1e6 || (divisor && !(out[c] > 1e-6)))
			return itr_err_set(err, "'%s' is no list of three %snumbers", key, divisor ? "positive " : "");
	}
	return 0;
}

static int read_filter(const itr_json *j, const char *key, itr_filter *out, itr_err *err)
{
	/* PIL.Image.Resampling, by number */
	static const char *const pillow[] = { "nearest", "lanczos", "bilinear", "bicubic", "box", "hamming" };
	const itr_json *v = given(j, key);
	if (!v)
		return 0;
	const int64_t number = itr_json_int(v, -1);
	const char *name = number >= 0 && number < ITR_LEN(pillow) ? pillow[number] : itr_json_str(v, "of an unknown kind");
	for (int i = 0; itr_filter_names[i]; i++)
		if (!strcasecmp(name, itr_filter_names[i])) {
			*out = (itr_filter)i;
			return 0;
		}
	return not_built(err, key, name);
}

/* A side of a square: N, [N, N] or {"height": N, "width": N}. */
static int read_side(const itr_json *v, const char *key, int *out, itr_err *err)
{
	const bool pair = itr_json_is_array(v);
	const int64_t h = itr_json_int(itr_json_is_number(v) ? v : pair ? itr_json_at(v, 0) : itr_json_get(v, "height"), -1);
	const int64_t w = itr_json_int(itr_json_is_number(v) ? v
	                               : pair                ? itr_json_at(v, itr_json_count(v) - 1)
	                                                     : itr_json_get(v, "width"),
	                               -1);
	if (h < 1 || w < 1 || h > MAX_SIDE || w > MAX_SIDE)
		return itr_err_set(err, "'%s' is no size of 1 to %d pixels", key, MAX_SIDE);
	if (h != w)
		return not_built(err, key, "that is no square");
	*out = (int)h;
	return 0;
}

/* A crop larger than the resized image is an error: the libraries would pad. */
static int check(const itr_preset *p, itr_err *err)
{
	if (p->size > MAX_SIDE)
		return itr_err_set(err, "it asks for pictures of %d pixels, at most %d are made", p->size, MAX_SIDE);
	return p->resize == ITR_RESIZE_NONE || p->size >= p->crop ? 0 : not_built(err, "a crop", "that is larger than the resized picture");
}

/* --- the three formats ---------------------------------------------------------------------------------------------------------------- */

static int from_timm(const itr_json *j, itr_preset *p, itr_err *err)
{
	const char *mode = itr_json_str(given(j, "crop_mode"), "center");
	const itr_json *size = given(j, "input_size");
	const double share = itr_json_num(given(j, "crop_pct"), 0);
	p->filter = ITR_BICUBIC;
	memcpy(p->mean, imagenet[0], sizeof p->mean);
	memcpy(p->std, imagenet[1], sizeof p->std);
	p->crop = 224;
	p->crop_rule = ITR_CROP_HALF_EVEN;
	if (size && itr_json_int(itr_json_count(size) == 3 ? itr_json_at(size, 0) : NULL, 0) != 3)
		return itr_err_set(err, "'input_size' is not [3, H, W]");
	if (size && itr_json_int(itr_json_at(size, 1), -1) != itr_json_int(itr_json_at(size, 2), -1))
		return not_built(err, "input_size", "that is no square");
	if ((size && read_side(itr_json_at(size, 1), "input_size", &p->crop, err) < 0) ||
	    read_filter(j, "interpolation", &p->filter, err) < 0 || read_three(j, "mean", false, p->mean, err) < 0 ||
	    read_three(j, "std", true, p->std, err) < 0)
		return -1;
	if (itr_json_int(given(j, "crop_border_pixels"), 0) != 0)
		return not_built(err, "crop_border_pixels", "trimmed");
	if (strcmp(mode, "center") && strcmp(mode, "squash"))
		return not_built(err, "crop_mode", mode);
	if (!(share >= 0 && share <= 1))
		return not_built(err, "a crop_pct", "that is not in 0 to 1");
	p->resize = strcmp(mode, "squash") ? ITR_RESIZE_FLOOR : ITR_RESIZE_SQUASH;
	p->size = (int)ITR_MIN(floor(p->crop / (share > 0 ? share : 0.875)), 1e6);          /* 0 in timm: not given */
	return 0;
}

static int from_open_clip(const itr_json *j, itr_preset *p, itr_err *err)
{
	const char *mode = itr_json_str(given(j, "resize_mode"), "shortest");
	p->filter = ITR_BICUBIC;
	memcpy(p->mean, openai[0], sizeof p->mean);
	memcpy(p->std, openai[1], sizeof p->std);
	p->crop_rule = ITR_CROP_HALF_EVEN;
	if ((given(j, "size") && read_side(given(j, "size"), "size", &p->crop, err) < 0) ||
	    read_filter(j, "interpolation", &p->filter, err) < 0 || read_three(j, "mean", false, p->mean, err) < 0 ||
	    read_three(j, "std", true, p->std, err) < 0)
		return -1;
	if (strcmp(mode, "shortest") && strcmp(mode, "squash"))
		return not_built(err, "resize_mode", mode);
	if (strcmp(itr_json_str(given(j, "mode"), "RGB"), "RGB"))
		return not_built(err, "mode", itr_json_str(given(j, "mode"), "RGB"));
	p->resize = strcmp(mode, "squash") ? ITR_RESIZE_FLOOR : ITR_RESIZE_SQUASH;
	p->size = p->crop;
	return 0;
}

/* The processors with the steps resize, centre crop, rescale, normalise, by prefix of their name. `shorter`: a size given as one number is
 * that of the shorter side. `crops`: default of do_center_crop. Values that the file does not give come from the preset here, or from
 * `base`. */
static const struct processor { const char *name; bool shorter, crops; const char *preset;
} processors[] = {
	{ "CLIPImageProcessor", true, true, "clip" },   { "CLIPFeatureExtractor", true, true, "clip" },
	{ "ViTImageProcessor", false, false, "vit" },   { "ViTFeatureExtractor", false, false, "vit" },
	{ "DeiTImageProcessor", false, true, NULL },    { "DeiTFeatureExtractor", false, true, NULL },
	{ "SiglipImageProcessor", false, false, NULL }, { "BitImageProcessor", true, true, NULL },
};

/* CLIPImageProcessor, CLIPImageProcessorFast, CLIPImageProcessorPil. */
static const struct processor *processor_named(const char *name)
{
	for (int i = 0; i < ITR_LEN(processors); i++) {
		const size_t n = strlen(processors[i].name);
		if (!strncmp(name, processors[i].name, n) && (!name[n] || !strcmp(name + n, "Fast") || !strcmp(name + n, "Pil")))
			return &processors[i];
	}
	return NULL;
}

static int resize_of(const itr_json *j, bool shorter, itr_preset *p, itr_err *err)
{
	const itr_json *size = given(j, "size"), *edge = given(size, "shortest_edge");
	if (!itr_json_bool(given(j, "do_resize"), p->resize != ITR_RESIZE_NONE)) {
		p->resize = ITR_RESIZE_NONE;
		return 0;
	}
	if (given(size, "longest_edge"))
		return not_built(err, "size", "by the longest edge");
	if (!size)
		return 0;
	p->resize = edge || (itr_json_is_number(size) && shorter) ? ITR_RESIZE_FLOOR : ITR_RESIZE_SQUASH;
	return read_side(edge ? edge : size, "size", &p->size, err);
}

static int values_of(const itr_json *j, itr_preset *p, itr_err *err)
{
	static const char *const others[] = { "do_pad",         "rescale_offset",     "do_thumbnail",    "do_align_long_axis",
		                              "do_crop_margin", "do_image_splitting", "do_reduce_labels" };
	const double factor = itr_json_num(given(j, "rescale_factor"), 1 / 255.0);
	for (int i = 0; i < ITR_LEN(others); i++)
		if (itr_json_bool(given(j, others[i]), false))
			return not_built(err, others[i], "true");
	if (!itr_json_bool(given(j, "do_rescale"), true))
		return not_built(err, "do_rescale", "false");
	if (!(fabs(factor * 255 - 1) < 1e-6))
		return not_built(err, "a rescale_factor", "that is not 1/255");
	if (!itr_json_bool(given(j, "do_normalize"), true)) {
		for (int c = 0; c < 3; c++) {
			p->mean[c] = 0;
			p->std[c] = 1;
		}
		return 0;
	}
	return read_three(j, "image_mean", false, p->mean, err) < 0 ? -1 : read_three(j, "image_std", true, p->std, err);
}

static int from_transformers(const itr_json *j, itr_preset *p, itr_err *err)
{
	const char *name = itr_json_str(given(j, "image_processor_type"), itr_json_str(given(j, "feature_extractor_type"), NULL));
	const struct processor *kind = name ? processor_named(name) : NULL;
	if (name && !kind)
		return not_built(err, "image_processor_type", name);
	if (kind && kind->preset)
		*p = *itr_preset_find(kind->preset, NULL);
	const bool shorter = kind ? kind->shorter : p->resize != ITR_RESIZE_SQUASH,
		   crops = kind ? kind->crops : p->resize != ITR_RESIZE_SQUASH || p->crop != p->size;
	p->crop_rule = ITR_CROP_DOWN;
	if (resize_of(j, shorter, p, err) < 0 || read_filter(j, "resample", &p->filter, err) < 0 || values_of(j, p, err) < 0)
		return -1;
	if (itr_json_bool(given(j, "do_center_crop"), crops))
		return given(j, "crop_size") ? read_side(given(j, "crop_size"), "crop_size", &p->crop, err) : 0;
	if (p->resize != ITR_RESIZE_SQUASH)
		return not_built(err, "do_center_crop", "false, which leaves them of several sizes");
	p->crop = p->size;
	return 0;
}

int itr_preset_published(itr_publisher by, const itr_json *config, const itr_preset *base, itr_preset *out, itr_err *err)
{
	static int (*const readers[])(const itr_json *, itr_preset *, itr_err *) = { [ITR_PUBLISHED_TIMM] = from_timm,
		                                                                     [ITR_PUBLISHED_TRANSFORMERS] = from_transformers,
		                                                                     [ITR_PUBLISHED_OPEN_CLIP] = from_open_clip };
	*out = *base;
	if (readers[by](config, out, err) < 0 || check(out, err) < 0)
		return -1;
	out->name = names[by];
	out->source = "the file beside the weights";
	return 0;
}

/* --- equality, JSON for model files --------------------------------------------------------------------------------------------------- */

static bool same_values(const double *a, const double *b)
{
	return (float)a[0] == (float)b[0] && (float)a[1] == (float)b[1] && (float)a[2] == (float)b[2];
}

const itr_preset *itr_preset_like(const itr_preset *p)
{
	for (int i = 0; i < itr_preset_count(); i++) {
		const itr_preset *q = itr_preset_at(i);
		const bool resized = p->resize != ITR_RESIZE_NONE, whole = p->resize == ITR_RESIZE_SQUASH && p->size == p->crop;
		if (p->resize == q->resize && p->crop == q->crop && (!resized || (p->size == q->size && p->filter == q->filter)) &&
		    (whole || p->crop_rule == q->crop_rule) && same_values(p->mean, q->mean) && same_values(p->std, q->std))
			return q;
	}
	return NULL;
}

static void add_three(itr_json *j, const char *key, const double *v)
{
	itr_json *list = itr_json_add_array(j, key);
	for (int c = 0; c < 3; c++)
		itr_json_push(list, itr_json_new_num(v[c]));
}

itr_json *itr_preset_json(const itr_preset *p)
{
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "name", p->name);
	itr_json_add_int(j, "resize", p->resize);
	itr_json_add_int(j, "size", p->size);
	itr_json_add_str(j, "filter", itr_filter_names[p->filter]);
	itr_json_add_int(j, "crop", p->crop);
	itr_json_add_int(j, "crop_rule", p->crop_rule);
	add_three(j, "mean", p->mean);
	add_three(j, "std", p->std);
	return j;
}

int itr_preset_from_json(const itr_json *j, itr_preset *out, itr_err *err)
{
	const char *name = itr_json_str(itr_json_get(j, "name"), "");
	const int64_t resize = itr_json_int(itr_json_get(j, "resize"), -1), rule = itr_json_int(itr_json_get(j, "crop_rule"), -1);
	*out = (itr_preset){ .source = "the model file", .name = "config" };
	for (int i = 0; i < ITR_LEN(names); i++)
		if (!strcmp(names[i], name))
			out->name = names[i];
	if (resize < ITR_RESIZE_FLOOR || resize > ITR_RESIZE_NONE || rule < ITR_CROP_HALF_EVEN || rule > ITR_CROP_DOWN ||
	    !given(j, "filter") || !given(j, "mean") || !given(j, "std"))
		return itr_err_set(err, "its preprocessing cannot be");
	out->resize = (itr_resize_rule)resize;
	out->crop_rule = (itr_crop_rule)rule;
	if (read_side(itr_json_get(j, "size"), "size", &out->size, err) < 0 ||
	    read_side(itr_json_get(j, "crop"), "crop", &out->crop, err) < 0 || read_filter(j, "filter", &out->filter, err) < 0 ||
	    read_three(j, "mean", false, out->mean, err) < 0 || read_three(j, "std", true, out->std, err) < 0)
		return -1;
	return check(out, err);
}
