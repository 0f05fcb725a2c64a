/* artifact.h - internal: artifacts of a run. */
#ifndef ITR_TRACK_ARTIFACT_H
#define ITR_TRACK_ARTIFACT_H

#include "base/err.h"

enum { ITR_ARTIFACT_COPY_LIMIT = 16 << 20 };

/* Copies `path` (a file, or a folder and everything below it) to dir/BASENAME. A file larger than the limit is not copied, but described in
 * dir/BASENAME.link.json {path, sha256, bytes}. 0, or -1 with err. */
ITR_MUST_USE int itr_artifact_store(const char *dir, const char *path, itr_err *err);

#endif
