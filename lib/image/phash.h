/* phash.h - perceptual hash, to find files with the same image. A difference hash (dHash; N. Krawetz, "Kind of like that", 2013) in both
 * directions, 128 bits: the image is box-filtered to 9x9 grey cells; a bit tells whether a cell is darker than its right (or lower)
 * neighbour. Rescaling, recompression and small changes of colour change a few bits; different photographs differ in about 64. */
#ifndef ITR_IMAGE_PHASH_H
#define ITR_IMAGE_PHASH_H

#include "image/image.h"

typedef struct itr_phash { uint64_t bits[2]; } itr_phash;

/* *flat (may be NULL) = true when the cells hardly differ (a blank image), so that the hash is not meaningful. */
itr_phash itr_image_phash(const itr_image *img, bool *flat);
int itr_phash_distance(itr_phash a, itr_phash b);               /* 0..128 */
void itr_phash_print(itr_phash h, char hex[33]);
bool itr_phash_parse(itr_phash *h, const char *hex);            /* false when hex is not 32 hexadecimal digits */

enum { ITR_PHASH_MAX_DISTANCE = 7 };
/* Calls found(ctx, i, j, distance) once for every pair i < j with group[i] != group[j] and distance <= max_distance (at most
 * ITR_PHASH_MAX_DISTANCE), in order of (i, j). Exact, without n^2 comparisons: of eight 16-bit bands, two hashes that differ in at most 7
 * bits have at least one in common (multi-index hashing: Norouzi, Punjani & Fleet, CVPR 2012). */
void itr_phash_pairs(const itr_phash *h, const int *group, int64_t n, int max_distance,
                     void (*found)(void *ctx, int64_t i, int64_t j, int distance), void *ctx);

#endif
