#include "retrieval/precision.h"

#include <stddef.h>

#include "base/buf.h"

#define ITR_PRECISION(NAME, name) extern const itr_precision_ops itr_precision_##name;
#include "retrieval/precisions.def"
#undef ITR_PRECISION

const itr_precision_ops *const itr_precisions[ITR_PREC_COUNT] = {
#define ITR_PRECISION(NAME, name) &itr_precision_##name,
#include "retrieval/precisions.def"
#undef ITR_PRECISION
};

const char *const itr_precision_names[] = {
#define ITR_PRECISION(NAME, name) #name,
#include "retrieval/precisions.def"
#undef ITR_PRECISION
	NULL
};

void itr_precision_describe(itr_option *table, const char *what)
{
	itr_buf help = ITR_BUF_INIT;
	itr_buf_printf(&help, "%s. ", what);
	for (int i = 0; i < ITR_PREC_COUNT; i++)
		itr_buf_printf(&help, "%s%s: %s", i ? "; " : "", itr_precisions[i]->name, itr_precisions[i]->summary);
	for (itr_option *o = table; o->type != ITR_OPT_T_END; o++)
		if (o->names == itr_precision_names)
			o->help = itr_buf_str(&help);
}
