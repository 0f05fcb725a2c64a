/* model_options.h - options of a network's kind, as its file would hold them: the structs themselves are the kinds' own. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"

/* The defaults of `kind`, and what the JSON object says. The caller frees. */
static void *model_options(const char *kind, const char *json)
{
	const itr_model_ops *ops = itr_model_find(kind, NULL);
	void *options = memcpy(itr_xmalloc(ops->options_size), ops->defaults, ops->options_size);
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_parse(json, strlen(json), "test", &err);
	if (!j || itr_model_options_read(ops, j, options, &err) < 0)
		abort();
	itr_json_free(j);
	return options;
}
