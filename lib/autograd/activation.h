/* activation.h - inside of autograd: the piecewise polynomial activations and their slopes, for float loops that the compiler vectorises
 * and for the double references (`real` is either). Slopes at the corners are torch's: 0 at relu's, none of relu6's ends, hardswish's
 * formula at both. */
#ifndef ITR_AUTOGRAD_ACTIVATION_H
#define ITR_AUTOGRAD_ACTIVATION_H

#define ITR_ACT_FORWARD_NONE(z) (z)
#define ITR_ACT_SLOPE_NONE(z) (real)1
#define ITR_ACT_FORWARD_RELU(z) ((z) > 0 ? (z) : 0)
#define ITR_ACT_SLOPE_RELU(z) ((z) > 0 ? (real)1 : (real)0)
#define ITR_ACT_FORWARD_RELU6(z) ((z) > 0 ? ((z) < 6 ? (z) : 6) : 0)
#define ITR_ACT_SLOPE_RELU6(z) ((z) > 0 && (z) < 6 ? (real)1 : (real)0)
#define ITR_ACT_FORWARD_HARDSWISH(z) ((z) * ITR_ACT_FORWARD_RELU6((z) + 3) / 6)
#define ITR_ACT_SLOPE_HARDSWISH(z) ((z) < -3 ? 0 : (z) <= 3 ? (z) / 3 + (real)0.5 : 1)
#define ITR_ACT_FORWARD_HARDSIGMOID(z) (ITR_ACT_FORWARD_RELU6((z) + 3) / 6)
#define ITR_ACT_SLOPE_HARDSIGMOID(z) ((z) > -3 && (z) < 3 ? (real)1 / 6 : 0)
/* In double: libm's float result is not the same on every machine, a rounded double nearly always is. */
#define ITR_ACT_FORWARD_TANH(z) ((__typeof__(z))tanh((double)(z)))
#define ITR_ACT_SLOPE_TANH(z) ((real)(1 - tanh((double)(z)) * tanh((double)(z))))

#endif
