/* artifact.h - files that belong to a run. Inside of track. */
#ifndef ITR_TRACK_ARTIFACT_H
#define ITR_TRACK_ARTIFACT_H

#include "base/err.h"

enum { ITR_ARTIFACT_COPY_LIMIT = 16 << 20 };

/* Copies `path` (a file, or a folder with everything below it) to dir/BASENAME; a file above the limit becomes dir/BASENAME.link.json
 * {path, sha256, bytes}: a run must not double a feature store. 0, or -1 with err. */
ITR_MUST_USE int itr_artifact_store(const char *dir, const char *path, itr_err *err);

#endif
