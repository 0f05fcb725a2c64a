#include "data/equal.h"

#include "base/map.h"

int64_t itr_equal_captions(const itr_manifest *m)
{
	itr_map *image = itr_map_new();         /* caption -> its image; -1: several */
	int64_t n = 0;
	for (int64_t i = 0; i < m->n; i++)
		for (int64_t k = 0; k < m->records[i].n_captions; k++) {
			const char *text = m->records[i].captions[k].text;
			if (!itr_map_add(image, text, i) && itr_map_get(image, text, -1) != i)
				itr_map_set(image, text, -1);
		}
	for (int64_t i = 0; i < m->n; i++)
		for (int64_t k = 0; k < m->records[i].n_captions; k++)
			n += itr_map_get(image, m->records[i].captions[k].text, i) < 0;
	itr_map_free(image);
	return n;
}
