/* modality.h - text or image: the index of every side[2]. Files and JSON spell the names, never the number. */
#ifndef ITR_DATA_MODALITY_H
#define ITR_DATA_MODALITY_H

typedef enum { ITR_TEXT, ITR_IMAGE } itr_modality;
extern const char *const itr_modality_names[];          /* "text" "image" NULL: of the options that choose a side */
enum { ITR_HAS_TEXT = 1 << ITR_TEXT, ITR_HAS_IMAGE = 1 << ITR_IMAGE };  /* a set of sides */

#endif
