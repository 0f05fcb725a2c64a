/* phash.h - do two files show the same picture? A difference hash (N. Krawetz, "Kind of like that", 2013) in both directions, 128 bits: the
 * picture is box-filtered to 9x9 grey cells; a bit says whether a cell is darker than its right (its lower) neighbour. Rescaling,
 * recompression and small changes of colour move a few bits; different photographs differ in about 64. */
#ifndef ITR_IMAGE_PHASH_H
#define ITR_IMAGE_PHASH_H

#include "image/image.h"

typedef struct itr_phash { uint64_t bits[2]; } itr_phash;

/* *flat (may be NULL): the cells hardly differ (a blank picture): its hash says nothing. */
itr_phash itr_image_phash(const itr_image *img, bool *flat);
int itr_phash_distance(itr_phash a, itr_phash b);               /* 0..128 */
void itr_phash_print(itr_phash h, char hex[33]);
bool itr_phash_parse(itr_phash *h, const char *hex);

enum { ITR_PHASH_MAX_DISTANCE = 7 };
/* Calls found(ctx, i, j, distance) once for every pair i < j with group[i] != group[j] and distance <= max_distance (at most
 * ITR_PHASH_MAX_DISTANCE), in order of (i, j). Exact and far from n^2: of eight 16-bit bands, two hashes that differ in at most 7 bits
 * share one. Norouzi, Punjani & Fleet, CVPR 2012. */
void itr_phash_pairs(const itr_phash *h, const int *group, int64_t n, int max_distance,
                     void (*found)(void *ctx, int64_t i, int64_t j, int distance), void *ctx);

#endif
