/* no-duplicates: shuffled, but two texts of one image do not meet in a batch, where they would be each other's false negatives (as the
 * batch sampler NO_DUPLICATES of sentence-transformers). The first text of each image in shuffled order, then the second of each, ...;
 * where a batch lies across such a border, a row that meets its image is exchanged with the next one that does not. With fewer images than
 * a batch has rows, and at the end of an epoch whose images have unequal numbers of texts, there may be none: then they meet. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/internal.h"

enum { REACH = 8 };     /* batches that a row is looked for in: the order costs n rows, whatever the data */

static int64_t image_of(const itr_trainer *r, int64_t text) { return r->data->table.text_image[text]; }

/* Rows by the number of rows of their image that come before them: a counting sort, which keeps the order of equals. */
static void sort_by_turn(const itr_trainer *r, int64_t *rows, int64_t n, int64_t images)
{
	int64_t *count = itr_xcalloc((size_t)images, sizeof *count), *turn = itr_xmalloc((size_t)n * sizeof *turn);
	int64_t *start = itr_xcalloc((size_t)n + 2, sizeof *start), *sorted = itr_xmalloc((size_t)n * sizeof *sorted);
	for (int64_t i = 0; i < n; i++) {
		turn[i] = count[image_of(r, rows[i])]++;
		start[turn[i] + 1]++;
	}
	for (int64_t k = 0; k < n; k++)
		start[k + 1] += start[k];
	for (int64_t i = 0; i < n; i++)
		sorted[start[turn[i]]++] = rows[i];
	memcpy(rows, sorted, (size_t)n * sizeof *rows);
	free(count), free(turn), free(start), free(sorted);
}

static void order(const itr_trainer *r, int64_t epoch, int64_t *rows, int64_t n)
{
	const int64_t batch = r->opts->batch_size;
	int64_t images = 0;
	for (int64_t i = 0; i < n; i++)
		images = ITR_MAX(images, image_of(r, rows[i]) + 1);
	itr_sampler_uniform.order(r, epoch, rows, n);
	sort_by_turn(r, rows, n, images);
	int64_t *met = itr_xcalloc((size_t)images, sizeof *met);        /* number of the batch, from 1, that has the image already */
	for (int64_t i = 0; i < n; i++) {
		const int64_t number = i / batch + 1, end = ITR_MIN(n, i + 1 + REACH * ITR_MIN(batch, n));
		int64_t q = i;
		while (q < end && met[image_of(r, rows[q])] == number)
			q++;
		if (q < end) {
			const int64_t row = rows[q];
			rows[q] = rows[i];
			rows[i] = row;
		}
		met[image_of(r, rows[i])] = number;
	}
	free(met);
}

const itr_sampler itr_sampler_no_duplicates = { "no-duplicates", "shuffled, one text of an image a batch", order };
