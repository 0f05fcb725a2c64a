/* published.h - published figures to stand beside one's own. Recall@1/5/10 in per cent; a negative number was not published (or not found).
 */
#ifndef ITR_EVALUATE_PUBLISHED_H
#define ITR_EVALUATE_PUBLISHED_H

#include "base/buf.h"
#include "io/json.h"

typedef struct itr_published {
	const char *method, *set;       /* set: "COCO 5K", "COCO 1K", "Flickr30k" */
	double t2i[3], i2t[3];
	bool verified;                  /* read in the source itself; otherwise reported at second hand */
	const char *source;
} itr_published;

extern const itr_published itr_published_figures[];
extern const int itr_published_count;

/* Which set an evaluation may be put beside: by protocol and number of images; NULL: none. */
const char *itr_published_set(const char *protocol, int64_t images);
/* The rows of `set` as a JSON array / as a table for people, with the result's own recalls (j as itr_eval_json) in the first line. */
itr_json *itr_published_json(const char *set);
void itr_published_table(const itr_json *j, const char *set, int format, itr_buf *out);

#endif
