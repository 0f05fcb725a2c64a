#include "base/bytes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int itr_bytes_parse(const char *text, size_t *bytes, itr_err *err)
{
	static const char units[] = "kmgt";
	char *end;
	double v = strtod(text, &end);
	const bool number = isdigit((unsigned char)text[0]) && strspn(text, "0123456789.") == (size_t)(end - text);
	const char *unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	for (long i = unit ? unit - units + 1 : 0; i > 0; i--)
		v *= 1024;
	end += unit != NULL;
	if (!number || (*end && strcasecmp(end, "b") && !(unit && !strcasecmp(end, "ib"))) || !(v >= 1))
		return itr_err_set(err, "'%s' is no amount of memory: 300M, 2G", text);
	if (v >= (double)PTRDIFF_MAX)
		return itr_err_set(err, "'%s' is more memory than can be addressed", text);
	*bytes = (size_t)v;
	return 0;
}
