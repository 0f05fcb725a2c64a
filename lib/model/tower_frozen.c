/* Parts of a tower that stay as they are while the rest is trained: which arrays `--freeze-layers` means. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/tower.h"

static const char *const scope[2] = { "text_encoder", "image_encoder" };

/* Length of the name's block, up to its first part that is a number: "layer1.0", "features.3", "encoder.layer.11"; 0: it belongs to none.
 */
static size_t block_length(const char *name)
{
	for (const char *part = name; part; part = strchr(part, '.') ? strchr(part, '.') + 1 : NULL) {
		const size_t n = strcspn(part, ".");
		if (n && strspn(part, "0123456789") == n)
			return (size_t)(part - name) + n;
	}
	return 0;
}

/* Everything up to the end of the count-th block: arrays are registered in the order in which the forward pass meets them. The number of
 * blocks there are. */
static int64_t freeze_blocks(itr_tower *w, int64_t count)
{
	const char *now = "";
	size_t length = 0;
	int64_t blocks = 0, end = 0;
	for (int64_t i = 0; i < itr_params_count(w->params); i++) {
		const char *name = itr_params_at(w->params, i)->name;
		const size_t n = block_length(name);
		if (n && (n != length || strncmp(name, now, n))) {
			blocks++;
			now = name;
			length = n;
		}
		if (n && blocks <= count)
			end = i + 1;
	}
	if (count <= blocks)
		memset(w->frozen, 1, (size_t)end);
	return blocks;
}

/* Does the pattern mean this array: its whole name, or something that it is part of? */
static bool means(const char *pattern, const char *name)
{
	char *inside = itr_xasprintf("%s.*", pattern);
	const bool yes = fnmatch(pattern, name, 0) == 0 || fnmatch(inside, name, 0) == 0;
	free(inside);
	return yes;
}

static int64_t freeze_named(itr_tower *w, int side, const char *pattern)
{
	int64_t n = 0;
	for (int64_t i = 0; i < itr_params_count(w->params); i++) {
		const char *name = itr_params_at(w->params, i)->name;
		char *whole = itr_xasprintf("%s.%s", scope[side], name);
		if (means(pattern, name) || means(pattern, whole)) {
			w->frozen[i] = 1;
			n++;
		}
		free(whole);
	}
	return n;
}

/* Names that a pattern could have begun with: "conv1, bn1, layer1, layer2, layer3, layer4". */
static void list_parts(const itr_tower *w, itr_buf *b)
{
	const char *now = "";
	size_t length = 0;
	for (int64_t i = 0; i < itr_params_count(w->params); i++) {
		const char *name = itr_params_at(w->params, i)->name;
		const size_t block = block_length(name), n = block ? block : strcspn(name, ".");
		if (n == length && !strncmp(name, now, n))
			continue;
		itr_buf_printf(b, "%s%.*s", b->len ? ", " : "", (int)n, name);
		now = name;
		length = n;
	}
}

static int nothing_means(itr_tower *const tower[2], const bool trained[2], const char *pattern, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	for (int side = 0; side < 2; side++)
		if (tower[side] && trained[side])
			list_parts(tower[side], &b);
	const int rc = itr_err_set(err, "--freeze-layers: no array of the trained towers is called '%s' or lies below it; there are %.700s",
	                           pattern, itr_buf_str(&b));
	itr_buf_free(&b);
	return rc;
}

static int freeze_first(itr_tower *const tower[2], const bool trained[2], const char *digits, itr_err *err)
{
	const int64_t count = strlen(digits) > 6 ? 1000000 : strtoll(digits, NULL, 10);
	if (count == 0)
		return itr_err_set(err, "--freeze-layers 0 freezes nothing: leave it out");
	for (int side = 0; side < 2; side++) {
		const int64_t blocks = tower[side] && trained[side] ? freeze_blocks(tower[side], count) : count;
		if (blocks == 0)
			return itr_err_set(
				err, "--freeze-layers %s: '%s' has no numbered blocks, give names: its parts are 'embedding' and 'lstm'",
				digits, tower[side]->ops->name);
		if (count > blocks)
			return itr_err_set(err, "--freeze-layers %s: '%s' has %lld blocks", digits, tower[side]->ops->name,
			                   (long long)blocks);
	}
	return 0;
}

static int something_is_left(const itr_tower *w, int side, itr_err *err)
{
	for (int64_t i = 0; i < itr_params_count(w->params); i++)
		if (!w->frozen[i] && !itr_params_at(w->params, i)->frozen)
			return 0;
	return itr_err_set(err,
	                   "--freeze-layers leaves nothing of '%s' to train: without '%s' in --finetune its vectors would be made once, "
	                   "which is faster",
	                   w->ops->name, side ? "image" : "text");
}

int itr_towers_freeze(itr_tower *const tower[2], const bool trained[2], const char *layers, itr_err *err)
{
	char *list = itr_xstrdup(layers), *rest = list, *pattern;
	int rc = 0;
	for (int side = 0; side < 2; side++)
		if (tower[side] && trained[side] && !tower[side]->frozen)
			tower[side]->frozen = itr_xcalloc((size_t)itr_params_count(tower[side]->params) + 1, 1);
	while (rc == 0 && (pattern = strsep(&rest, ","))) {
		int64_t n = 0;
		pattern += strspn(pattern, " ");
		pattern[strcspn(pattern, " ")] = 0;
		if (pattern[0] && strspn(pattern, "0123456789") == strlen(pattern)) {
			rc = freeze_first(tower, trained, pattern, err);
			continue;
		}
		for (int side = 0; side < 2 && pattern[0]; side++)
			n += tower[side] && trained[side] ? freeze_named(tower[side], side, pattern) : 0;
		if (n == 0)
			rc = nothing_means(tower, trained, pattern, err);
	}
	for (int side = 0; side < 2 && rc == 0; side++)
		if (tower[side] && trained[side])
			rc = something_is_left(tower[side], side, err);
	free(list);
	return rc;
}
