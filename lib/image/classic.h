/* classic.h - image features without learned weights: colour layout and histograms of oriented gradients on a 7x7 grid.
 *
 * A descriptor of a square window has 2,048 numbers. The window has 14x14 sub-cells; a cell of the 7x7 grid is 2x2 sub-cells:
 *
 *	49 x 32   per cell: 16 soft colour names, mean and spread of three opponent colours, 9 gradient orientations, gradient energy
 *	480       of the window: colours, orientations (fine and coarse), orientations PER colour (16 x 9: "the red thing has straight
 *	          edges"), colour autocorrelogram at four distances (16 x 4: how large the patches of a colour are), colours per row and
 *	          per column of cells, energy histogram
 *
 * Histogram values are square roots of fractions (Hellinger), which gives small objects more weight in a linear model. The pooled vector is
 * the descriptor of the whole image (224x224, cells of 32 pixels). Patch p of the 7x7 grid is the descriptor of the 56x56 window around it
 * (cells of 8 pixels; pixels outside the image do not count). All arithmetic before the last square root is in integers, so the result is
 * the same on any machine. Sources: Dalal & Triggs 2005 (orientations, strongest channel), van de Weijer et al. 2009 (colour names), Huang
 * et al. 1997 (correlogram).
 */
#ifndef ITR_IMAGE_CLASSIC_H
#define ITR_IMAGE_CLASSIC_H

#include "image/image.h"

enum { ITR_CLASSIC_SIDE = 224, ITR_CLASSIC_GRID = 7, ITR_CLASSIC_DIM = 2048 };

typedef struct itr_classic itr_classic;

/* Look-up tables, read-only: one object can be used by all threads. */
itr_classic *itr_classic_new(void);
void itr_classic_free(itr_classic *c);

/* rgb (224, 224, 3) bytes -> pooled (2048) and patches (49, 2048) in row-major grid order, or NULL. Thread-safe. */
void itr_classic_describe(const itr_classic *c, const uint8_t *rgb, float *pooled, float *patches);

#endif
