/* ops.h - the functions that call ops. Shapes: B batch, D features; "rows" are all dimensions except the last. Every function returns a new
 * variable, owned by the tape; a shape mismatch aborts with the op's name. Definitions are those of torch.nn.functional with the same name;
 * golden files compare them with PyTorch.
 */
#ifndef ITR_AUTOGRAD_OPS_H
#define ITR_AUTOGRAD_OPS_H

#include "autograd/tape.h"

itr_var *itr_cast(itr_tape *t, itr_var *x, bool bf16);                                /* x as bfloat16, or as float */
/* Start of a network with bfloat16 activations: x as bfloat16 on a tape that trains with ITR_COMPUTE_BF16, otherwise x itself. The
 * following ops keep the type; before an op that needs float the tape casts. Halves the memory and the traffic of all ops that are not
 * matrix products. A gradient has the type of its variable; those of parameters are float. */
itr_var *itr_to_bf16(itr_tape *t, itr_var *x);

/* x (..., I), w (O, I), bias (O) or NULL -> (..., O): x w^T + bias */
itr_var *itr_op_linear_call(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias);
/* activation(x w^T + bias + residual) with a packed weight, only in inference; bias (O) and residual (..., O) may be NULL. */
itr_var *itr_linear_packed(itr_tape *t, itr_var *x, const itr_packed_weight *w, const float *bias, itr_var *residual, itr_activation a);
itr_var *itr_add(itr_tape *t, itr_var *a, itr_var *b);                                /* same shape */
itr_var *itr_sub(itr_tape *t, itr_var *a, itr_var *b);                                /* a - b, same shape */
itr_var *itr_mul(itr_tape *t, itr_var *a, itr_var *b);                                /* elementwise, same shape */
itr_var *itr_scale(itr_tape *t, itr_var *a, double factor);
itr_var *itr_affine(itr_tape *t, itr_var *x, double a, double b);                     /* a x + b */
itr_var *itr_scale_by(itr_tape *t, itr_var *x, itr_var *s);                           /* x times s (1 element), with gradients to both */
itr_var *itr_row_scale(itr_tape *t, itr_var *x, itr_var *s);                          /* row i of x (N, D) times s[i]; gradients to both */
itr_var *itr_row_limit(itr_tape *t, itr_var *x, double r);                            /* x min(1, r / |x|) per row; r >= 0 */
itr_var *itr_row_dot(itr_tape *t, itr_var *a, itr_var *b);                            /* inner products of rows: (B, D), (B, D) -> (B) */
/* Spherical linear interpolation of unit rows a, b (B, D): (sin(l theta) a + sin((1 - l) theta) b) / sin(theta) -> (B, D), with l =
 * lambda[i] (B, a constant) the weight of a and theta the angle. Nearly opposite rows (cosine below -0.9995) are interpolated linearly. */
itr_var *itr_slerp(itr_tape *t, itr_var *a, itr_var *b, itr_var *lambda);
/* Mean of all elements -> 1 element. weights (shape of x, a constant) or NULL: sum(w x) / sum(w), or 0 when sum(w) is 0. */
itr_var *itr_mean(itr_tape *t, itr_var *x, itr_var *weights);
itr_var *itr_exp(itr_tape *t, itr_var *x);                                            /* infinity beyond 88 */
itr_var *itr_sigmoid(itr_tape *t, itr_var *x);                                        /* 1 / (1 + exp(-x)) */
itr_var *itr_relu(itr_tape *t, itr_var *x);
itr_var *itr_gelu(itr_tape *t, itr_var *x);                                           /* exact: x Phi(x), as torch's default */
itr_var *itr_dropout(itr_tape *t, itr_var *x, double p);                              /* inverted dropout; the identity in inference */
/* over the last dimension; gamma, beta (D) */
itr_var *itr_op_layernorm_call(itr_tape *t, itr_var *x, itr_var *gamma, itr_var *beta, double eps);
itr_var *itr_activation_call(itr_tape *t, itr_var *x, itr_activation a);              /* the op for a; NONE: x itself */
itr_var *itr_softmax(itr_tape *t, itr_var *x);                                        /* over the last dimension */
itr_var *itr_log_softmax(itr_tape *t, itr_var *x);                                    /* its logarithm, without underflow */
itr_var *itr_l2norm(itr_tape *t, itr_var *x);                                         /* x / max(|x|, 1e-12) per row, as F.normalize */
itr_var *itr_gather(itr_tape *t, itr_var *table, const int64_t *rows, int64_t n);     /* table (V, D) -> (n, D) */
itr_var *itr_concat(itr_tape *t, itr_var *a, itr_var *b);                             /* along the last dimension; equal numbers of rows */
itr_var *itr_slice(itr_tape *t, itr_var *x, int64_t first, int64_t n);                /* columns first .. first + n - 1 of x (..., D) */

itr_var *itr_reshape(itr_tape *t, itr_var *x, int rank, const int64_t *shape);        /* a view with another shape */
itr_var *itr_detach(itr_tape *t, itr_var *x);                                         /* x as a constant; no copy */
itr_var *itr_grad_scale(itr_tape *t, itr_var *x, double f);                           /* x; its gradient times f (f < 0: reversal) */
/* rows of a, then rows of b: (N, D), (M, D) -> (N + M, D) */
itr_var *itr_stack(itr_tape *t, itr_var *a, itr_var *b);
/* Non-overlapping p x p squares of x (B, H, W, C) as rows: (B (H/p) (W/p), p p C), channels last: the input of a ViT's patch embedding. */
itr_var *itr_patches(itr_tape *t, itr_var *x, int64_t p);
itr_var *itr_quick_gelu(itr_tape *t, itr_var *x);                                     /* x sigmoid(1.702 x), CLIP's */

/* --- packed sequences without padding: the tokens of all sequences are concatenated in one matrix (N, D); sequence s is rows start[s] ..
 * start[s+1]-1, start (n + 1). */
/* Multi-head self-attention on qkv (N, 3 D); a row is query | key | value, each with `heads` heads of D / heads. softmax(q k^T / sqrt(D /
 * heads)) v within each sequence -> (N, D). causal: token i attends to tokens 0 .. i. Sources: Vaswani et al. 2017; FlashAttention (Dao et
 * al. 2022): memory is linear, D + heads numbers saved for each token. */
itr_var *itr_attention(itr_tape *t, itr_var *qkv, const int64_t *start, int64_t n, int64_t heads, bool causal);
/* Multi-head cross-attention of queries q (Nq, D), n sequences by q_start (n + 1), to keys and values kv (Nk, 2 D), a row being key |
 * value. Sequence s attends to rows begin[s] .. end[s]-1, which several sequences may share (one image, several texts) -> (Nq, D); zeros
 * when there are no such rows. */
itr_var *itr_cross_attention(itr_tape *t, itr_var *q, itr_var *kv, const int64_t *q_start, const int64_t *begin, const int64_t *end,
                             int64_t n, int64_t heads);
/* Late interaction: element (i, j) is the mean over the words of text i of the largest inner product with a patch of image j -> (n_texts,
 * n_images). words (Nw, D), patches (Np, D), with the starts of their sequences. A text without words gives 0; an image must have a patch.
 * Of equal products the first gets the gradient. Source: Khattab & Zaharia 2020 (ColBERT); Yao et al. 2022 (FILIP). */
itr_var *itr_token_max(itr_tape *t, itr_var *words, itr_var *patches, const int64_t *word_starts, int64_t n_texts,
                       const int64_t *patch_starts, int64_t n_images);
/* x (N, D) -> (n, D); an empty sequence gives zeros */
itr_var *itr_segment_mean(itr_tape *t, itr_var *x, const int64_t *start, int64_t n);
/* x (N, D) -> (n, D): weighted sums of the rows of each sequence, with weights 1/sqrt(rows) (SQRT), or first + 1, first + 2, ... divided by
 * their sum (PLACE); an empty sequence gives zeros. sentence-transformers' mean_sqrt_len_tokens and weightedmean. */
typedef enum { ITR_WEIGHTS_SQRT, ITR_WEIGHTS_PLACE } itr_segment_weights;
itr_var *itr_segment_weighted(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, itr_segment_weights weights, int64_t first);
/* x (N, D) -> (n, D), the maximum of each column; an empty sequence gives -infinity */
itr_var *itr_segment_max(itr_tape *t, itr_var *x, const int64_t *start, int64_t n);

/* scale * a b^T: a (B, D), b (N, D) -> (B, N). log_scale (1 element) is learnable: scale = exp(min(log_scale, ceiling)). log_scale NULL:
 * the fixed `scale`. */
itr_var *itr_scores(itr_tape *t, itr_var *a, itr_var *b, itr_var *log_scale, double scale, double ceiling);

typedef enum { ITR_POSITIVES_DIAGONAL, ITR_POSITIVES_MASK, ITR_POSITIVES_ALL } itr_positives;
extern const char *const itr_positives_names[];         /* "diagonal" "mask" "all" NULL */
/* Positives and negatives of a contrastive loss with scores (B, N), N >= B: column i is the positive of row i, columns B .. N-1 are
 * negatives of every row. "Lines" below are the rows and, when symmetric, the columns. */
typedef struct itr_match {
	/* other columns of the same image (group[j] == group[i]) are negatives (diagonal), ignored (mask), or positives (all) */
	itr_positives positives;
	const int64_t *group;    /* [N], or NULL: all different */
	const int64_t *excluded; /* [B]: one more column that row i ignores (not column i), or -1; NULL: none */
	itr_var *own;            /* (B, K): scores of further negatives of each row, or NULL */
	bool symmetric;          /* mean of the losses over rows and over columns 0 .. B-1; `own` is used in rows only */
} itr_match;
/* InfoNCE: mean over lines of the cross entropy of the positive among positives and negatives; with several positives (all) the mean over
 * them, outside the logarithm. Source: van den Oord et al. 2018; Khosla et al. 2020, L_out, for `all`. One element. */
itr_var *itr_infonce(itr_tape *t, itr_var *scores, const itr_match *m);
/* -1/B of the sum over all pairs of log sigmoid(z (score + bias)), z = 1 for positives, -1 for negatives; bias (1 element, learnable) or
 * NULL. `symmetric` has no effect. Source: Zhai et al. 2023 (SigLIP). One element. */
itr_var *itr_sigmoid_loss(itr_tape *t, itr_var *scores, itr_var *bias, const itr_match *m);
/* Triplet loss: mean over lines of max(0, margin + negative - positive), summed over the negatives of the line (ALL) or only for the
 * hardest, that is the largest (HARDEST). The positive is the one with the lowest score; of equal scores the first counts. Source: Faghri
 * et al. 2018 (VSE++), who sum over lines and both directions; Hermans et al. 2017 (batch-hard) with positives `all`. One element. */
typedef enum { ITR_HINGE_ALL, ITR_HINGE_HARDEST } itr_hinge;
itr_var *itr_rank_hinge(itr_tape *t, itr_var *scores, const itr_match *m, double margin, itr_hinge hinge);
/* Mean over rows of the cross entropy of logits (B, N) with label[i]. excluded (B, n_excluded): columns that the row ignores, or -1; never
 * its label. One element. */
itr_var *itr_cross_entropy(itr_tape *t, itr_var *logits, const int64_t *label, const int64_t *excluded, int64_t n_excluded);
/* KL(softmax(p) || softmax(q)) of rows of scores (B, N), with gradients to both: mean over rows, or with weights (B, a constant) sum(w KL)
 * / sum(w), which is 0 when sum(w) is 0. One element. */
itr_var *itr_kl(itr_tape *t, itr_var *p, itr_var *q, itr_var *weights);
/* mean over rows of 1 - cos(a, b), eps 1e-8 as torch */
itr_var *itr_cosine_loss(itr_tape *t, itr_var *a, itr_var *b);
itr_var *itr_mse(itr_tape *t, itr_var *a, itr_var *b); /* mean over all elements */

/* --- convolutional networks, channels last: (B, H, W, C) ------------------------------------------------------------------------------ */
/* torch's conv_transpose2d: x (B, H, W, C), w (C, O, KH, KW), bias (O) or NULL -> (B, OH, OW, O) with
 * OH = (H - 1) stride - 2 padding + KH + output_padding; output_padding < stride. */
itr_var *itr_conv_transpose2d(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias, int64_t stride, int64_t padding, int64_t output_padding);
/* w (O, C / groups, KH, KW), bias (O) or NULL -> (B, OH, OW, O). padding: zeros on each side, or ITR_PAD_SAME (tensor/conv.h). groups = C =
 * O: depthwise. */
itr_var *itr_conv2d(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias, int64_t stride, int64_t padding, int64_t dilation, int64_t groups);
/* activation(conv + bias + residual) with packed weights and square kernels, only in inference. w: itr_conv_pack_weight; in_place: the
 * result overwrites residual. taps: itr_depthwise_weights. */
itr_var *itr_conv_packed(itr_tape *t, itr_var *x, const itr_packed_weight *w, const float *bias, itr_var *residual, bool in_place,
                         int64_t kernel, int64_t stride, int64_t padding, itr_activation a);
itr_var *itr_depthwise_packed(itr_tape *t, itr_var *x, const float *taps, const float *bias, int64_t kernel, int64_t stride,
                              int64_t padding, itr_activation a);
/* activation((x - mean) / sqrt(var + eps) gamma + beta + residual) for each channel (last dimension); residual (shape of x) or NULL;
 * activation NONE, RELU, RELU6, HARDSWISH or HARDSIGMOID. With batch_statistics, while training: mean and biased variance of the batch,
 * which must have more than one row; running_mean and running_var (C, may be NULL) are updated with `momentum`, as in torch.nn.BatchNorm2d.
 * Otherwise the running statistics are used, as constants. */
typedef struct itr_norm {
	double eps, momentum;
	bool batch_statistics;
	itr_activation activation;
	float *running_mean, *running_var;
} itr_norm;
itr_var *itr_batchnorm(itr_tape *t, itr_var *x, itr_var *gamma, itr_var *beta, itr_var *residual, const itr_norm *o);
itr_var *itr_relu6(itr_tape *t, itr_var *x);
itr_var *itr_hardswish(itr_tape *t, itr_var *x);                                      /* x relu6(x + 3) / 6 */
itr_var *itr_tanh(itr_tape *t, itr_var *x);
itr_var *itr_hardsigmoid(itr_tape *t, itr_var *x);                                    /* relu6(x + 3) / 6 */
/* x (B, H, W, C) times s (B, C), as in squeeze-and-excitation */
itr_var *itr_channel_scale(itr_tape *t, itr_var *x, itr_var *s);
/* of equal maxima the first gets the gradient, as in PyTorch */
itr_var *itr_max_pool(itr_tape *t, itr_var *x, int64_t kernel, int64_t stride, int64_t padding);
/* padding counts as zeros, torch's default */
itr_var *itr_avg_pool(itr_tape *t, itr_var *x, int64_t kernel, int64_t stride, int64_t padding);
itr_var *itr_global_pool(itr_tape *t, itr_var *x);                                    /* mean over H and W -> (B, C) */

/* --- recurrent layers over packed sequences (start as in itr_attention); a sequence may be empty ---------------------------------------
 */
/* One direction of one layer of torch.nn.LSTM: z (N, 4 H) = x w_ih^T + b_ih, w (4 H, H) = w_hh, b (4 H) = b_hh or NULL -> all hidden states
 * (N, H). */
itr_var *itr_lstm(itr_tape *t, itr_var *z, itr_var *w, itr_var *b, const int64_t *start, int64_t n, bool backwards);
/* with a packed w_hh, only in inference; z contains both biases */
itr_var *itr_lstm_packed(itr_tape *t, itr_var *z, const itr_packed_weight *w, const int64_t *start, int64_t n, bool backwards);
/* x (N, D) -> (n, D): the first `last` columns of each sequence's last row and the other columns of its first row; with last = D / 2 the
 * final states of a bidirectional layer. An empty sequence gives zeros. */
itr_var *itr_segment_end(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, int64_t last);

#endif
