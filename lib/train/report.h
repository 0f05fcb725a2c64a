/* report.h - what train says when it is done: JSON for programs, a learning curve for people. */
#ifndef ITR_TRAIN_REPORT_H
#define ITR_TRAIN_REPORT_H

#include "autograd/op.h"
#include "train/closed.h"
#include "train/loop.h"

/* {"model", "dim", "final": {metric: value}, "best", "trials": [...], sizes of the parts}. The caller frees. */
itr_json *itr_closed_json(const itr_closed *p, const itr_closed_report *r);
/* {"final": {metric: value}, "best": {epoch, metric, value}, "epochs", "steps", "samples_per_second", "gflops", ...}; "best" is null where
 * no epoch gave a model to keep, "diverged" is there when it is true. The caller frees. */
itr_json *itr_network_json(const itr_model *m, const itr_train_opts *o, const itr_train_report *r, itr_train_end end);
/* Loss and recall by epoch -> PNG (and its .gp, .dat). 0, or -1 with err (gnuplot is missing, disk full). */
ITR_MUST_USE int itr_learning_curve(const char *png, const itr_train_opts *o, const itr_train_report *r, const char *title, itr_err *err);

/* Checks every registered op (gradcheck.h); a line each into `out`: name, cases, the three errors, verdict. The number of ops that fail. */
int itr_check_gradients(itr_buf *out, uint64_t seed, int threads);

#endif
