/* annotations.h - the few files of COCO's annotation zip that are needed, without the 240 MB around them where the server allows. */
#ifndef ITR_FETCH_ANNOTATIONS_H
#define ITR_FETCH_ANNOTATIONS_H

#include "net/http_client.h"

typedef struct itr_annotations_report {
	int present, extracted;         /* files that were there; that were fetched now */
	bool by_ranges;                 /* only the members' bytes were transferred */
	int64_t received;
} itr_annotations_report;

/* Makes sure that DIR/NAME exists for every name; one that is there is used as it is. `required[i]` false: its absence from the zip is no
 * error. `url` names the zip (http, https, file). Where the server sends ranges, only directory and members are fetched; else the whole
 * zip, which is removed afterwards (a broken-off one is continued by the next run). CRC and sizes are verified. 0, or -1 with err. */
ITR_MUST_USE int itr_annotations_fetch(itr_http *c, const char *url, const char *dir, const char *const *names, const bool *required, int n,
                                       itr_annotations_report *report, itr_err *err);

#endif
