/* classic.h - image vectors that need no weights: colour layout + histograms of oriented gradients on a 7x7 grid (methods section 7).
 *
 * One descriptor of 2,048 numbers describes a square window that is cut into 14x14 sub-cells, four of which make one of its 7x7 cells:
 *
 *	49 x 32   per cell: 16 soft colour names, mean and spread of three opponent colours, 9 gradient orientations, gradient energy
 *	480       of the window: colours, orientations (fine and coarse), orientations PER colour (16 x 9: "the red thing has straight
 *	          edges"), colour autocorrelogram at four distances (16 x 4: how large the patches of a colour are), colours per row and
 *	          per column of cells, energy histogram
 *
 * Histograms are square roots of shares (Hellinger), so that a linear model sees small objects too. The pooled vector is the descriptor of
 * the whole picture (224x224, cells of 32 pixels); patch p of the 7x7 grid is the descriptor of the 56x56 window around it (cells of 8
 * pixels, outside = nothing). Everything up to the last square root is integer arithmetic: the same vector on any machine, with any
 * compiler. Sources: Dalal & Triggs 2005 (orientations, strongest channel), van de Weijer et al. 2009 (colour names), Huang et al. 1997
 * (correlogram).
 */
#ifndef ITR_IMAGE_CLASSIC_H
#define ITR_IMAGE_CLASSIC_H

#include "image/image.h"

enum { ITR_CLASSIC_SIDE = 224, ITR_CLASSIC_GRID = 7, ITR_CLASSIC_DIM = 2048 };

typedef struct itr_classic itr_classic;

/* Look-up tables, shared by all threads. */
itr_classic *itr_classic_new(void);
void itr_classic_free(itr_classic *c);

/* rgb: 224 x 224 x 3 bytes. pooled: 2,048 floats; patches: 49 x 2,048 floats in row-major grid order, or NULL. Thread-safe. */
void itr_classic_describe(const itr_classic *c, const uint8_t *rgb, float *pooled, float *patches);

#endif
