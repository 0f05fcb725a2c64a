#include "io/weights_internal.h"
int itr_torch_zip_list(itr_weights *w, int file, itr_err *err) { return itr_err_set(err, "'%s': PyTorch files are not read yet", w->files.v[file].path); }
int itr_torch_legacy_list(itr_weights *w, int file, itr_err *err) { return itr_err_set(err, "'%s': PyTorch files are not read yet", w->files.v[file].path); }
