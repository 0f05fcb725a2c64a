/* How pictures are prepared for published weights: the file beside them says it. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/path.h"
#include "model/tower_beside.h"

/* In the order in which they are looked at. inside: the member that holds it; NULL: the file itself. */
static const struct source { const char *file, *inside; itr_publisher by; } sources[] = {
	{ "config.json", "pretrained_cfg", ITR_PUBLISHED_TIMM },
	{ "preprocessor_config.json", NULL, ITR_PUBLISHED_TRANSFORMERS },
	{ "processor_config.json", "image_processor", ITR_PUBLISHED_TRANSFORMERS },
	{ "open_clip_config.json", "preprocess_cfg", ITR_PUBLISHED_OPEN_CLIP },
};

/* What the file says about pictures: 1, 0 when it is not there or says nothing, -1 with err. */
static int look(itr_tower *w, const char *weights, const struct source *s, itr_err *err)
{
	char *path = itr_tower_beside(weights, s->file);
	itr_json *j = path ? itr_json_read(path, err) : NULL;
	int rc = path && !j ? -1 : 0;
	const itr_json *config = s->inside ? itr_json_get(j, s->inside) : j;
	if (s->by == ITR_PUBLISHED_TIMM && !config && itr_json_is_string(itr_json_get(j, "architecture")) && itr_json_get(j, "crop_pct"))
		config = j;                     /* timm before 0.6 */
	if (itr_json_is_object(config)) {
		itr_preset base = *w->preset;
		if (s->by == ITR_PUBLISHED_OPEN_CLIP)
			base.crop = (int)w->config.image_size;         /* as open_clip, where the file does not say it */
		rc = itr_preset_published(s->by, config, &base, &w->published, err) < 0 ? itr_err_prefix(err, "'%s': ", path) : 1;
	}
	itr_json_free(j);
	free(path);
	return rc;
}

int itr_tower_choose_preset(itr_tower *w, const itr_weights *weights, const itr_tower_opts *o, itr_err *err)
{
	w->preset = itr_preset_find(o->preset ? o->preset : w->config.preset ? w->config.preset : w->ops->preset, err);
	if (!w->preset || o->preset || !o->weights)
		return w->preset ? 0 : -1;
	/* laion's folders hold both libraries' files, which round the crop differently: the one whose names the arrays have */
	const int n = ITR_LEN(sources), last_first = itr_weights_find(weights, "visual.conv1.weight") ? n - 1 : 0;
	for (int i = 0, rc; i < n; i++) {
		if ((rc = look(w, o->weights, &sources[(i + last_first) % n], err)) < 0)
			return -1;
		if (rc) {
			const itr_preset *known = itr_preset_like(&w->published);
			w->preset = known ? known : &w->published;
			return 0;
		}
	}
	return 0;
}
