#include "data/modality.h"

#include <stddef.h>

const char *const itr_modality_names[] = { [ITR_TEXT] = "text", [ITR_IMAGE] = "image", NULL };
