/* html.h - HTML character references, exactly as Python's html.unescape resolves them (2,231 names, the oldest without a semicolon; bad numbers as HTML 5 says). */
#ifndef ITR_TEXT_HTML_H
#define ITR_TEXT_HTML_H

#include "text/unidata.h"

/* Replaces the references in t, once: what they become is not looked at again. Linear in the text. */
void itr_html_unescape(itr_cps *t);

#endif
