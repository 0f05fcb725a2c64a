/* html.h - HTML character references, exactly as Python's html.unescape resolves them (2,231 names, the oldest without a semicolon; bad
 * numbers as HTML 5 says). */
#ifndef ITR_TEXT_HTML_H
#define ITR_TEXT_HTML_H

#include "text/unidata.h"

/* Replaces the references in t, in place; a replacement is not searched again. Linear time. */
void itr_html_unescape(itr_cps *t);
/* As ftfy.fixes.unescape_html: only references of at most 24 letters and digits that end in a semicolon; also names in capitals ("EACUTE;")
 * that HTML does not have. */
void itr_html_unescape_strict(itr_cps *t);

#endif
