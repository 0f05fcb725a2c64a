#include "loss/loss.h"

#include <string.h>

#include "base/nearest.h"

#define ITR_LOSS(name, symbol) extern const itr_loss_ops itr_loss_##symbol;
#include "loss/losses.def"
#undef ITR_LOSS

const itr_loss_ops *const itr_losses[] = {
#define ITR_LOSS(name, symbol) &itr_loss_##symbol,
#include "loss/losses.def"
#undef ITR_LOSS
	NULL
};

const char *const itr_loss_names[] = {
#define ITR_LOSS(name, symbol) name,
#include "loss/losses.def"
#undef ITR_LOSS
	NULL
};

const itr_loss_ops *itr_loss_find(const char *name, itr_err *err)
{
	int n = 0;
	for (; itr_losses[n]; n++)
		if (!strcmp(itr_losses[n]->name, name))
			return itr_losses[n];
	itr_err_set(err, "unknown loss '%s': did you mean '%s'?", name, itr_nearest(name, itr_loss_names, n));
	return NULL;
}
