#include "loss/loss.h"

#include <string.h>

#include "base/nearest.h"

#define ITR_LOSS(name) extern const itr_loss_ops itr_loss_##name;
#include "loss/losses.def"
#undef ITR_LOSS

const itr_loss_ops *const itr_losses[] = {
#define ITR_LOSS(name) &itr_loss_##name,
#include "loss/losses.def"
#undef ITR_LOSS
	NULL
};

const itr_loss_ops *itr_loss_find(const char *name, itr_err *err)
{
	const char *names[32];
	int n = 0;
	for (; itr_losses[n]; n++) {
		if (!strcmp(itr_losses[n]->name, name))
			return itr_losses[n];
		names[n] = itr_losses[n]->name;
	}
	itr_err_set(err, "unknown loss '%s': did you mean '%s'?", name, itr_nearest(name, names, n));
	return NULL;
}
