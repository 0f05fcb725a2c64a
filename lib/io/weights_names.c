/* Prefixes that wrappers add to the names of all tensors. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/weights_internal.h"

enum { MAX_WRAPPERS = 8 };

/* nn.DataParallel, torch.compile, Lightning and similar, MoCo. */
static const char *const wrappers[] = { "module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder_q." };

static bool below(const struct itr_weights_entry *e, const char *prefix, size_t n)
{
	return !strncmp(e->pub.name, prefix, n) && e->pub.name[n];
}

/* True when every name has the prefix. */
static bool all_below(const itr_weights *w, const char *prefix)
{
	for (size_t i = 0; i < w->entries.n; i++)
		if (!below(&w->entries.v[i], prefix, strlen(prefix)))
			return false;
	return w->entries.n > 0;
}

static void add_note(itr_weights *w, const char *prefix, size_t aside)
{
	char *old = w->note, *rest = aside ? itr_xasprintf(" (%zu tensors without it left aside)", aside) : itr_xstrdup("");
	w->note = itr_xasprintf("%s%swithout the prefix '%s'%s", old ? old : "tensors", old ? ", " : " ", prefix, rest);
	free(old);
	free(rest);
}

void itr_weights_below(itr_weights *w, const char *prefix)
{
	const size_t n = strlen(prefix), all = w->entries.n;
	itr_map *names = itr_map_new();
	size_t kept = 0;
	for (size_t i = 0; i < all; i++) {
		struct itr_weights_entry e = w->entries.v[i];
		if (!below(&e, prefix, n))
			continue;
		itr_map_add(names, e.pub.name + n, (int64_t)kept);
		e.pub.name = itr_map_key(names, (int64_t)kept);
		w->entries.v[kept++] = e;
	}
	itr_map_free(w->names);
	w->names = names;
	w->entries.n = kept;
	add_note(w, prefix, all - kept);
}

void itr_weights_unwrap(itr_weights *w)
{
	char prefix[128] = "";
	for (int depth = 0, found = 1; depth < MAX_WRAPPERS && found; depth++) {
		found = 0;
		for (int i = 0; i < ITR_LEN(wrappers) && !found; i++) {
			char *longer = itr_xasprintf("%s%s", prefix, wrappers[i]);
			found = all_below(w, longer);
			if (found)
				memcpy(prefix, longer, strlen(longer) + 1);
			free(longer);
		}
	}
	if (*prefix)
		itr_weights_below(w, prefix);
}
