#include "base/mem.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

void itr_strtab_init(itr_strtab *t, int64_t max_values)
{
	uint32_t slots = 16;
	while (slots < 2 * (uint64_t)max_values)
		slots *= 2;
	*t = (itr_strtab){ .mask = slots - 1 };
	t->slots = itr_xmalloc(slots * sizeof *t->slots);
	memset(t->slots, 0xFF, slots * sizeof *t->slots);
	t->keys = itr_xcalloc((size_t)ITR_MAX(max_values, 1), sizeof *t->keys);
	t->room = ITR_MAX(max_values, 1);
	itr_buf_reserve(&t->bytes, (size_t)max_values * 8 + 1);
}

void itr_strtab_free(itr_strtab *t)
{
	free(t->slots);
	free(t->keys);
	itr_buf_free(&t->bytes);
}

static void put(itr_strtab *t, uint32_t h, int32_t value)
{
	uint32_t i = h ^ h >> 15;
	while (t->slots[i & t->mask].value >= 0)
		i++;
	t->slots[i & t->mask] = (struct itr_strslot){ h, value };
}

/* Twice the slots. */
static void grow(itr_strtab *t)
{
	struct itr_strslot *old = t->slots;
	const uint32_t n = t->mask + 1;
	t->mask = 2 * n - 1;
	t->slots = itr_xmalloc((size_t)2 * n * sizeof *t->slots);
	memset(t->slots, 0xFF, (size_t)2 * n * sizeof *t->slots);
	for (uint32_t i = 0; i < n; i++)
		if (old[i].value >= 0)
			put(t, old[i].hash, old[i].value);
	free(old);
}

int itr_strtab_add(itr_strtab *t, const char *key, size_t n, int32_t value)
{
	uint32_t h = itr_strhash(key, n);
	if (itr_strtab_get(t, key, n, h) >= 0)
		return 0;
	if ((uint64_t)t->n * 2 > t->mask)
		grow(t);
	if (value >= t->room) {
		t->room = 2 * (int64_t)value + 1;
		t->keys = itr_xrealloc(t->keys, (size_t)t->room * sizeof *t->keys);
	}
	put(t, h, value);
	t->keys[value] = (struct itr_strkey){ (uint32_t)t->bytes.len, (uint32_t)n };
	itr_buf_add(&t->bytes, key, n);
	itr_buf_putc(&t->bytes, '\0');
	t->n++;
	return 1;
}
