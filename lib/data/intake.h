/* intake.h - what every reader does with the captions and the names of pictures that it finds, so that the same oddity has the same end and
 * the same name in all of them. */
#ifndef ITR_DATA_INTAKE_H
#define ITR_DATA_INTAKE_H

#include "data/issues.h"
#include "data/manifest.h"

/* A caption as it goes into a manifest, to be freed; NULL when it is left out. n bytes that may hold anything; `where` names it in the
 * issues. Left out: blank (Unicode's spaces too), with a NUL byte, of more than 1 MiB. Kept and counted: control characters, more than
 * 2,000 characters, bad bytes (each becomes U+FFFD). */
char *itr_intake_caption(const char *text, size_t n, const char *where, itr_issues *f);

/* The name of a picture, n bytes from a list, as a path relative to `dir`, to be freed: "./a//b.jpg" is a/b.jpg; backslashes are slashes
 * unless such a file is there; an absolute path counts where it lies in `dir`. NULL with *why ("leaves its folder", ...): empty, with a NUL
 * or invalid UTF-8, absolute elsewhere, or with "..". */
char *itr_intake_picture(const char *dir, const char *name, size_t n, const char **why);

/* "WebP", "GIF", ... for a file of a kind of picture that is known and not read, by its first bytes or (n 0) its name; NULL for all others.
 */
const char *itr_intake_unread_kind(const char *name, const void *bytes, size_t n);

/* Records without a split in a manifest where others have one are left out (issue "picture in no part ..."): half a split is none. */
void itr_intake_drop_unsplit(itr_manifest *m, const char *kind, itr_issues *f);

#endif
