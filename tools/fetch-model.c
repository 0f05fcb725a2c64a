/* fetch-model - published models by name, fetched once, checked, and kept; and a look into files of weights.
 * Prints the folder, so that extract-features --weights "$(fetch-model NAME)" works. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cli/progress.h"
#include "cli/tool.h"
#include "fetch/models.h"
#include "io/table.h"
#include "io/weights.h"

struct opt {
	const char *cache, *base_url, *show, *proxy;
	int64_t retries;
	double timeout;
	bool list, verify;
};

static const itr_option options[] = {
	ITR_OPT_BOOL("list", 0, struct opt, list, "list the known models, and which of them are in the cache"),
	ITR_OPT_STR("show", 0, struct opt, show, "FILE",
	            "list the tensors of a weights file or folder (safetensors, PyTorch); no code in it is executed"),
	ITR_OPT_STR("cache", 0, struct opt, cache, "DIR", "cache folder, instead of $ITR_CACHE, $XDG_CACHE_HOME/itr or ~/.cache/itr"),
	ITR_OPT_STR("base-url", 0, struct opt, base_url, "URL", "URL of a folder that holds the model's files: a mirror, or file:///..."),
	ITR_OPT_BOOL("verify", 0, struct opt, verify, "check the hashes of the cached files"),
	ITR_OPT_INT_IN("retries", 0, struct opt, retries, "N", ITR_BETWEEN(0, 100), "retries of a failed transfer"),
	ITR_OPT_NUM_IN("timeout", 0, struct opt, timeout, "SECONDS", ITR_FROM(1),
	               "timeout of a stalled transfer, and (at most 20) for a connection"),
	ITR_OPT_STR("proxy", 0, struct opt, proxy, "URL", "instead of http_proxy, https_proxy, no_proxy of the environment"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{fetch-model} --list",
	"{fetch-model} all-MiniLM-L6-v2",
	"{extract-features} --text-encoder bert --text-weights \"$({fetch-model} all-MiniLM-L6-v2)\" manifest.jsonl -o f.h5",
	"{fetch-model} clip-vit-b32 --base-url file:///mnt/models/clip-vit-base-patch32 -o weights/clip",
	"{fetch-model} --show model.safetensors",
	NULL
};

/* Known before any work is done. */
static int complete(itr_tool *t, void *opt)
{
	const struct opt *o = opt;
	const char *wrong = NULL;
	if (o->list + (o->show != NULL) + (t->n_args > 0) != 1)
		wrong = "name a model, or '--list', or '--show FILE'";
	else if ((o->base_url || t->output) && t->n_args != 1)
		wrong = "'--base-url' and '--output' are about one model";
	if (wrong)
		itr_err_set(&t->err, "%s", wrong);
	return wrong ? ITR_EXIT_USAGE : 0;
}

static const itr_tool_desc fetch_model_tool = {
	.name = "fetch-model",
	.purpose = "published models by name",
	.synopsis = "{fetch-model} [options] NAME...",
	.options = options,
	.max_args = -1,
	.flags = ITR_TOOL_OUTPUT | ITR_TOOL_NO_TRACK,
	.examples = examples,
	.see_also = "{extract-features}(1), {tokenize}(1)",
	.complete = complete,
};

static void print_table(itr_tool *t, itr_table *table)
{
	itr_buf b = ITR_BUF_INIT;
	itr_table_print(table, ITR_TABLE_TEXT, &b);
	fputs(itr_buf_str(&b), t->out);
	itr_buf_free(&b);
	itr_table_free(table);
}

static int list(itr_tool *t, const struct opt *o)
{
	char *cache = itr_cache_folder(o->cache, &t->err);
	if (!cache)
		return -1;
	itr_table *table = itr_table_new(4, (const char *const[]){ "name", "what", "licence", "folder" });
	itr_json *j = itr_json_object(), *models = itr_json_add_array(j, "models");
	for (int i = 0; i < itr_public_models(); i++) {
		const itr_public_model *m = itr_public_model_at(i);
		char *folder = itr_path_join(cache, m->name);
		bool there = itr_public_model_present(m, folder);
		const char *cells[] = { m->name, m->what, m->licence, there ? folder : "" };
		itr_json *e = itr_json_push(models, itr_json_object());
		for (int c = 0; c < 4; c++)
			itr_table_cell(table, cells[c]);
		itr_json_add_str(e, "name", m->name);
		itr_json_add_str(e, "what", m->what);
		itr_json_add_str(e, "licence", m->licence);
		itr_json_add_str(e, "url", m->url);
		itr_json_add_str(e, "folder", there ? folder : NULL);
		free(folder);
	}
	free(cache);
	if (t->json) {
		itr_table_free(table);
		itr_tool_print_json(t, j);
	} else {
		itr_json_free(j);
		print_table(t, table);
	}
	return 0;
}

static char *shape_text(const itr_weight *w)
{
	itr_buf b = ITR_BUF_INIT;
	for (int d = 0; d < w->rank; d++)
		itr_buf_printf(&b, "%s%lld", d ? "x" : "", (long long)w->shape[d]);
	return itr_buf_detach(&b);
}

static int show(itr_tool *t, const struct opt *o)
{
	char sha256[ITR_SHA256_HEX];
	itr_weights *w = itr_weights_open(o->show, &t->err);
	if (!w || itr_weights_sha256(w, sha256, &t->err) < 0) {
		itr_weights_close(w);
		return -1;
	}
	itr_table *table = itr_table_new(3, (const char *const[]){ "tensor", "type", "shape" });
	itr_json *j = itr_json_object(), *tensors;
	int64_t elements = 0;
	itr_json_add_str(j, "path", itr_weights_path(w));
	itr_json_add_str(j, "format", itr_weights_format(w));
	itr_json_add_str(j, "note", itr_weights_note(w));
	itr_json_add_str(j, "sha256", sha256);
	tensors = itr_json_add_array(j, "tensors");
	for (int64_t i = 0; i < itr_weights_count(w); i++) {
		const itr_weight *x = itr_weights_at(w, i);
		char *shape = shape_text(x);
		itr_json *e = itr_json_push(tensors, itr_json_object()), *dims;
		itr_table_cell(table, x->name);
		itr_table_cell(table, x->unread ? x->unread : itr_dtype_name(x->dtype));
		itr_table_cell(table, shape);
		itr_json_add_str(e, "name", x->name);
		itr_json_add_str(e, "dtype", x->unread ? x->unread : itr_dtype_name(x->dtype));
		dims = itr_json_add_array(e, "shape");
		for (int d = 0; d < x->rank; d++)
			itr_json_push(dims, itr_json_new_int(x->shape[d]));
		elements += x->count;
		free(shape);
	}
	itr_json_add_int(j, "elements", elements);
	itr_info("'%s': %s, %lld tensors, %lld elements%s%s, sha256 %s", itr_weights_path(w), itr_weights_format(w),
	         (long long)itr_weights_count(w), (long long)elements, itr_weights_note(w)[0] ? ", " : "", itr_weights_note(w), sha256);
	if (t->json) {
		itr_table_free(table);
		itr_tool_print_json(t, j);
	} else {
		itr_json_free(j);
		print_table(t, table);
	}
	itr_weights_close(w);
	return 0;
}

static void *begin(void *t, const char *file) { return itr_progress_begin(t, file, "bytes", 0); }
static void end(void *p) { itr_progress_end(p); }

static int fetch(itr_tool *t, const struct opt *o, const char *name, itr_json *all)
{
	const itr_public_model *m = itr_public_model_find(name, &t->err);
	char *cache = m && !t->output ? itr_cache_folder(o->cache, &t->err) : NULL;
	if (!m || (!cache && !t->output))
		return -1;
	char *folder = t->output ? itr_path_absolute(t->output) : itr_path_join(cache, m->name);
	itr_model_opts mo = { .base_url = o->base_url,
		              .verify = o->verify,
		              .again = t->force,
		              .begin = begin,
		              .tick = itr_progress_tick,
		              .end = end,
		              .ctx = t };
	itr_json *report = NULL;
	itr_http_opts_default(&mo.http);
	mo.http.retries = (int)o->retries;
	mo.http.stall_timeout = o->timeout;
	mo.http.connect_timeout = ITR_MIN(o->timeout, mo.http.connect_timeout);
	mo.http.proxy = o->proxy;
	mo.http.seed = t->seed;
	mo.http.stop = &itr_interrupted;
	int rc = itr_public_model_fetch(m, folder, &mo, &report, &t->err);
	if (rc == 0 && !t->json)
		fprintf(t->out, "%s\n", folder);
	if (rc == 0)
		itr_json_push(all, report);
	free(folder);
	free(cache);
	return rc;
}

int main(int argc, char **argv)
{
	struct opt o = { .retries = 5, .timeout = 30 };
	itr_tool *t = itr_tool_begin(&fetch_model_tool, &o, argc, argv);
	int rc = 0;
	if (o.list || o.show) {
		rc = o.list ? list(t, &o) : show(t, &o);
		return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
	}
	itr_json *j = itr_json_object(), *all = itr_json_add_array(j, "models");
	for (int i = 0; i < t->n_args && rc == 0; i++)
		rc = fetch(t, &o, t->args[i], all);
	if (rc == 0 && t->json) {
		itr_tool_print_json(t, j);
		j = NULL;
	}
	itr_json_free(j);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
