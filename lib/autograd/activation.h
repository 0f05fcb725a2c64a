/* activation.h - internal: activations and their derivatives, for float loops that the compiler vectorises and for the double references
 * (`real` is float or double). Derivatives at the corners are as in PyTorch: 0 for relu, relu6 and hardsigmoid; for hardswish those of the
 * inner formula. */
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
/* Computed in double: libm's float tanh differs between machines, a rounded double result almost never. */
#define ITR_ACT_FORWARD_TANH(z) ((__typeof__(z))tanh((double)(z)))
#define ITR_ACT_SLOPE_TANH(z) ((real)(1 - tanh((double)(z)) * tanh((double)(z))))

#endif
