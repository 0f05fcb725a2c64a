/* token_max: mean over the words of a text of the largest product with a patch of an image (late interaction: Khattab & Zaharia 2020,
 * FILIP's Yao et al. 2022). index = starts of the words, then of the patches; attr.i[0] = texts. saved: for each word and image, the patch.
 */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/gemm.h"

#include <stdlib.h>

static int64_t texts(const itr_node *n) { return n->attr.i[0]; }
static int64_t images(const itr_node *n) { return n->n_index - 2 - n->attr.i[0]; }
static const int64_t *word_start(const itr_node *n) { return n->index; }
static const int64_t *patch_start(const itr_node *n) { return n->index + texts(n) + 1; }

static bool covers(const int64_t *start, int64_t n, int64_t rows)
{
	for (int64_t s = 0; s < n; s++)
		if (start[s + 1] < start[s])
			return false;
	return n >= 1 && start[0] == 0 && start[n] == rows;
}

static void shape(itr_node *n)
{
	const itr_var *w = n->in[0], *p = n->in[1];
	if (!w || !p || w->rank != 2 || p->rank != 2 || w->shape[1] != p->shape[1] || !covers(word_start(n), texts(n), w->shape[0]) ||
	    !covers(patch_start(n), images(n), p->shape[0]))
		itr_shape_bug(n, "words (Nw, D), patches (Np, D), and sequences that cover their rows");
	for (int64_t i = 0; i < images(n); i++)
		if (patch_start(n)[i + 1] == patch_start(n)[i])
			itr_shape_bug(n, "an image of at least one patch");
	itr_shape_set(n, 2, (int64_t[]){ texts(n), images(n) });
	n->saved_count = w->shape[0] * images(n);
}

static double flops(const itr_node *n) { return 2.0 * (double)n->in[0]->shape[0] * (double)n->in[1]->count; }

/* Words of a text that has none count as a mean of 0. */
static double share(const itr_node *n, int64_t text)
{
	const int64_t words = word_start(n)[text + 1] - word_start(n)[text];
	return words ? 1 / (double)words : 0;
}

/* All words with the patches of one image; `saved` is by image, then by word. */
static void image_piece(void *ctx, int64_t i, int worker)
{
	itr_node *n = ctx;
	const int64_t d = n->in[0]->shape[1], words = n->in[0]->shape[0], first = patch_start(n)[i], m = patch_start(n)[i + 1] - first;
	float *s = itr_scratch_take((size_t)(words * m) * sizeof *s), *best = (float *)n->saved + i * words;
	(void)worker;
	itr_gemm(false, true, words, m, d, 1, itr_in(n, 0), d, itr_in(n, 1) + first * d, d, 0, s, m, 1);
	for (int64_t t = 0; t < texts(n); t++) {
		double sum = 0;
		for (int64_t w = word_start(n)[t]; w < word_start(n)[t + 1]; w++) {
			int64_t at = 0;
			for (int64_t k = 1; k < m; k++)
				at = s[w * m + k] > s[w * m + at] ? k : at;
			best[w] = (float)at;
			sum += (double)s[w * m + at];
		}
		itr_out(n)[t * images(n) + i] = (float)(sum * share(n, t));
	}
	itr_scratch_give(s);
}

static void forward(itr_node *n) { itr_parallel_for(n->threads, images(n), image_piece, n); }

/* Words of texts begin .. end: their images in order. */
ITR_CLONES static void words_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1], words = n->in[0]->shape[0];
	const float *best = n->saved;
	for (int64_t t = begin; t < end; t++)
		for (int64_t i = 0; i < images(n); i++) {
			const float g = itr_dout(n)[t * images(n) + i] * (float)share(n, t);
			for (int64_t w = word_start(n)[t]; w < word_start(n)[t + 1]; w++) {
				const float *p = itr_in(n, 1) + (patch_start(n)[i] + (int64_t)best[i * words + w]) * d;
				float *dw = itr_din(n, 0) + w * d;
				for (int64_t j = 0; j < d; j++)
					dw[j] += g * p[j];
			}
		}
}

/* Patches of images begin .. end: all words in order. */
ITR_CLONES static void patches_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1], words = n->in[0]->shape[0];
	const float *best = n->saved;
	for (int64_t i = begin; i < end; i++)
		for (int64_t t = 0; t < texts(n); t++) {
			const float g = itr_dout(n)[t * images(n) + i] * (float)share(n, t);
			for (int64_t w = word_start(n)[t]; w < word_start(n)[t + 1]; w++) {
				float *dp = itr_din(n, 1) + (patch_start(n)[i] + (int64_t)best[i * words + w]) * d;
				const float *x = itr_in(n, 0) + w * d;
				for (int64_t j = 0; j < d; j++)
					dp[j] += g * x[j];
			}
		}
}

static void backward(itr_node *n)
{
	if (itr_zeroed_grad(n, 0))
		itr_node_chunks(n, texts(n), 1, words_back);
	if (itr_zeroed_grad(n, 1))
		itr_node_chunks(n, images(n), 1, patches_back);
}

static double dot64(const double *a, const double *b, int64_t d)
{
	double s = 0;
	for (int64_t j = 0; j < d; j++)
		s += a[j] * b[j];
	return s;
}

/* fn for every word and image, with the patch. */
static void ref_each(itr_node *n, void (*fn)(itr_node *n, int64_t text, int64_t image, int64_t word, int64_t patch))
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t t = 0; t < texts(n); t++)
		for (int64_t i = 0; i < images(n); i++)
			for (int64_t w = word_start(n)[t]; w < word_start(n)[t + 1]; w++) {
				const double *x = itr_in64(n, 0) + w * d, *p = itr_in64(n, 1);
				int64_t best = patch_start(n)[i];
				for (int64_t k = best + 1; k < patch_start(n)[i + 1]; k++)
					best = dot64(x, p + k * d, d) > dot64(x, p + best * d, d) ? k : best;
				fn(n, t, i, w, best);
			}
}

static void ref_add(itr_node *n, int64_t text, int64_t image, int64_t word, int64_t patch)
{
	const int64_t d = n->in[0]->shape[1];
	itr_out64(n)[text * images(n) + image] += share(n, text) * dot64(itr_in64(n, 0) + word * d, itr_in64(n, 1) + patch * d, d);
}

static void ref_spread(itr_node *n, int64_t text, int64_t image, int64_t word, int64_t patch)
{
	const int64_t d = n->in[0]->shape[1];
	const double g = itr_dout64(n)[text * images(n) + image] * share(n, text);
	for (int64_t j = 0; j < d; j++) {
		if (itr_din64(n, 0))
			itr_din64(n, 0)[word * d + j] += g * itr_in64(n, 1)[patch * d + j];
		if (itr_din64(n, 1))
			itr_din64(n, 1)[patch * d + j] += g * itr_in64(n, 0)[word * d + j];
	}
}

static void ref_forward(itr_node *n)
{
	memset(n->out->data, 0, (size_t)n->out->count * sizeof(double));
	ref_each(n, ref_add);
}

static void ref_backward(itr_node *n)
{
	itr_ref_grad(n, 0);
	itr_ref_grad(n, 1);
	ref_each(n, ref_spread);
}

static itr_var *sample(itr_case *c, int which)
{
	static const int64_t words[] = { 0, 3, 3, 4, 9 }, patches[] = { 0, 4, 5, 11 };
	if (which >= 2)
		return NULL;
	const int64_t d = itr_case_int(c, 1, 20);
	itr_var *w = itr_case_input(c, 2, (int64_t[]){ 9, d }, 1, 0);
	return itr_token_max(c->tape, w, itr_case_input(c, 2, (int64_t[]){ 11, d }, 1, 0), words, 4, patches, 3);
}

const itr_op itr_op_token_max = { "token_max", 2, ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, flops, sample };

itr_var *itr_token_max(itr_tape *t, itr_var *words, itr_var *patches, const int64_t *word_starts, int64_t n_texts,
                       const int64_t *patch_starts, int64_t n_images)
{
	itr_var *in[] = { words, patches };
	const int64_t n = n_texts + n_images + 2;
	int64_t *index = itr_xmalloc((size_t)n * sizeof *index);
	memcpy(index, word_starts, (size_t)(n_texts + 1) * sizeof *index);
	memcpy(index + n_texts + 1, patch_starts, (size_t)(n_images + 1) * sizeof *index);
	itr_var *y = itr_apply(t, &itr_op_token_max, in, 2, &(itr_attr){ .i = { n_texts } }, index, n, NULL);
	free(index);
	return y;
}
