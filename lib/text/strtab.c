#include "base/log.h"
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
	itr_buf_reserve(&t->bytes, (size_t)max_values * 8 + 1);
}

void itr_strtab_free(itr_strtab *t)
{
	free(t->slots);
	free(t->keys);
	itr_buf_free(&t->bytes);
}

int itr_strtab_add(itr_strtab *t, const char *key, size_t n, int32_t value)
{
	uint32_t h = itr_strhash(key, n), i = h ^ h >> 15;
	if (itr_strtab_get(t, key, n, h) >= 0)
		return 0;
	if ((uint64_t)t->n * 2 > t->mask)
		ITR_BUG("string table of %u slots is full", t->mask + 1);
	while (t->slots[i & t->mask].value >= 0)
		i++;
	t->slots[i & t->mask] = (struct itr_strslot){ h, value };
	t->keys[value] = (struct itr_strkey){ (uint32_t)t->bytes.len, (uint32_t)n };
	itr_buf_add(&t->bytes, key, n);
	itr_buf_putc(&t->bytes, '\0');
	t->n++;
	return 1;
}
