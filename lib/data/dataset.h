/* dataset.h - one folder, one data set: what fetch-coco and its readers share besides the manifest. */
#ifndef ITR_DATA_DATASET_H
#define ITR_DATA_DATASET_H

#include "data/issues.h"
#include "data/manifest.h"
#include "data/split.h"

/* Makes `dir` and writes DIR/dataset.txt with `description` ("synthetic n=2000 seed=7 size=224"): the folder now belongs to that data set.
 * A folder that belongs to another, or that holds a manifest of unknown origin, is refused unless `force`. 1 when the description was there
 * already (an earlier run, perhaps interrupted), 0 when it is new, -1 with err. */
ITR_MUST_USE int itr_dataset_claim(const char *dir, const char *description, bool force, itr_err *err);

/* "0.6/0.2/0.2" (train/val/test) into f. -1 with err. */
ITR_MUST_USE int itr_split_parse(double f[3], const char *text, itr_err *err);
/* Deals the records out where none has a split yet (a data set's own wins, with a warning where the rule asks for more than whole images;
 * fractions all 0: no split). By image: itr_split_assign; near, label, group: itr_split_assign_groups, near up to `near` of 128 bits;
 * caption: an image whose captions fall into several parts becomes several records "ID:train", "ID:test" of one picture (the leaky split of
 * some documents, for comparison only). -1 with err: no labels, an unreadable file of groups, nothing left for train. */
ITR_MUST_USE int itr_dataset_split(itr_manifest *m, const double fractions[3], uint64_t seed, const itr_split_rule *rule, int near,
                                   itr_err *err);
/* Keeps `limit` records: those at the first places of default_rng([seed, 3]).permutation over the ids sorted bytewise; file order stays.
 * Nothing when there are no more. */
void itr_dataset_limit(itr_manifest *m, int64_t limit, uint64_t seed);
/* The end of every source: issues to standard error and DIR/problems.json, records to DIR/manifest.jsonl and `echo` (itr_manifest_write),
 * a summary line. -1 with err, also when no record is left: then `hint` follows in the message. */
ITR_MUST_USE int itr_dataset_write(const itr_manifest *m, const char *dir, const itr_issues *f, const char *hint, const itr_provenance *p,
                                   FILE *echo, itr_err *err);
/* {"images","captions","split":{"train","val","test"},"synthetic","problems"}; train holds restval. The caller frees. */
itr_json *itr_dataset_json(const itr_manifest *m, const itr_issues *f);
int64_t itr_dataset_count(const itr_manifest *m, const char *split);

/* `path` as seen from folder `dir`, both resolved: "../../shared/x.png"; absolute when they share nothing but the root. The caller frees.
 */
char *itr_dataset_relative(const char *dir, const char *path);

#endif
