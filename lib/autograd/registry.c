#include "autograd/op.h"

#define ITR_OP(name) extern const itr_op itr_op_##name;
#include "autograd/ops.def"
#undef ITR_OP

const itr_op *const itr_ops[] = {
#define ITR_OP(name) &itr_op_##name,
#include "autograd/ops.def"
#undef ITR_OP
	NULL
};
