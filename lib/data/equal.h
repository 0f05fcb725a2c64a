/* equal.h - captions that stand under several images ("A flower."): for such a text one image is no more right than the other. */
#ifndef ITR_DATA_EQUAL_H
#define ITR_DATA_EQUAL_H

#include "data/manifest.h"

/* How many captions of the manifest stand, byte for byte, under another image too. */
int64_t itr_equal_captions(const itr_manifest *m);

#endif
