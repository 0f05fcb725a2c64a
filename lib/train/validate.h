/* validate.h - inside of train: what a model is worth on held-out pairs. */
#ifndef ITR_TRAIN_VALIDATE_H
#define ITR_TRAIN_VALIDATE_H

#include "train/trainer.h"

enum {
	ITR_VAL_LOSS,
	ITR_VAL_COSINE,
	ITR_VAL_T2I_R1,
	ITR_VAL_T2I_R5,
	ITR_VAL_T2I_R10,
	ITR_VAL_T2I_MRR,
	ITR_VAL_I2T_R1,
	ITR_VAL_I2T_R5,
	ITR_VAL_I2T_R10,
	ITR_VAL_I2T_MRR,
	ITR_VAL_MEAN_R10,
	ITR_VAL_COUNT
};

/* Their names, and whether a larger value is the better one. */
typedef struct itr_val_metric { const char *name; bool larger_is_better; } itr_val_metric;
extern const itr_val_metric itr_val_metrics[ITR_VAL_COUNT];

/* Values in the order above, of the trainer's model on its val part: the run's loss in batches of val_batch texts in file order (the last,
 * partial one weighted by its size), the mean cosine of texts to their own images, and full-gallery metrics among the
 * part's images. NaN without texts. Products are fp32 whatever the training's are: evaluate finds the same. The training's own tape is
 * used, so that its memory serves twice; what it holds is lost. Beyond it: the images and a few MB. 0; 1 when an embedding is NaN or
 * infinite, every value then being NaN; or -1 with err: a picture that cannot be read any more. */
ITR_MUST_USE int itr_validate(const itr_trainer *r, double value[ITR_VAL_COUNT], itr_err *err);

/* Does the model give finite embeddings for a few training texts and their images? 0: it does, 1: it does not, -1 with err. For runs
 * without a val part. */
ITR_MUST_USE int itr_validate_finite(const itr_trainer *r, itr_err *err);

/* What itr_validate measures, without the loss, from unit rows: text i belongs to image position[i]. */
void itr_validate_vectors(const float *text, int64_t n, const float *image, int64_t n_images, const int64_t *position, int64_t dim,
                          int threads, double value[ITR_VAL_COUNT]);

#endif
