/* annotations.h - downloads the required files of COCO's annotation zip (240 MB), without the rest if the server supports ranges. */
#ifndef ITR_FETCH_ANNOTATIONS_H
#define ITR_FETCH_ANNOTATIONS_H

#include "net/http_client.h"

typedef struct itr_annotations_report {
	int present, extracted;         /* number of files that existed; that were downloaded */
	bool by_ranges;                 /* only the directory and the required members were transferred */
	int64_t received;
} itr_annotations_report;

/* Makes sure that DIR/NAME exists for every name; an existing file is not checked. required[i] false: the zip may lack the file. url: the
 * zip (http, https, file). If the server supports ranges, only the directory and the members are downloaded, otherwise the whole zip, which
 * is removed afterwards (after an interruption the next run resumes it). CRC and sizes are verified. 0, or -1 with err. */
ITR_MUST_USE int itr_annotations_fetch(itr_http *c, const char *url, const char *dir, const char *const *names, const bool *required, int n,
                                       itr_annotations_report *report, itr_err *err);

#endif
