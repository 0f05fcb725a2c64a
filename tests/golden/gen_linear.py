#!/usr/bin/env python3
"""What NumPy, SciPy and scikit-learn say about one small data set, for lib/linear. Usage: gen_linear.py > linear.txt. A line: NAME VALUE...

The data come from numpy.random.default_rng, which lib/base/rng.c repeats, so only results are stored.
"""
import numpy as np
import scipy
import scipy.linalg
import sklearn
from sklearn.linear_model import Ridge

print(f"# numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}; gen_linear.py")
N, M, DX, DY, K = 100, 300, 12, 9, 5
rng = np.random.default_rng(77)
Z, A, B = rng.standard_normal((N, K)), rng.standard_normal((K, DY)), rng.standard_normal((K, DX))
E, F = rng.standard_normal((N, DY)), rng.standard_normal((M, DX))
ti = np.random.default_rng(78).integers(0, N, M)      # some images with many captions, some with none
Y = (Z @ A + E + 0.5).astype(np.float32)
X = (Z[ti] @ B + 2 * F - 0.25).astype(np.float32)


def out(name, values):
    print(name, *(repr(float(v)) for v in np.asarray(values).ravel()))


def l2(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


# CCA by the generalized eigenproblem, another road than Cholesky and SVD: Cxy Cyy^-1 Cyx w = rho^2 Cxx w
raw_x, raw_y = X.astype(np.float64), Y.astype(np.float64)
x, y = l2(raw_x), l2(raw_y)[ti]
mx, my = x.mean(0), y.mean(0)
xc, yc = x - mx, y - my
Cxx, Cyy, Cxy = xc.T @ xc / M, yc.T @ yc / M, xc.T @ yc / M
for r in (1e-4, 1e-1):
    Rx, Ry = Cxx + r * np.trace(Cxx) / DX * np.eye(DX), Cyy + r * np.trace(Cyy) / DY * np.eye(DY)
    w, a = scipy.linalg.eigh(Cxy @ np.linalg.solve(Ry, Cxy.T), Rx)       # a^T Rx a = I
    rho = np.sqrt(np.maximum(w[::-1][:DY], 0))
    out(f"cca.correlations.{r:g}", rho)
    a = a[:, ::-1][:, :6]
    b = np.linalg.solve(Ry, Cxy.T @ a) / rho[:6]
    t, i = l2((x[:8] - mx) @ (a * rho[:6] ** 4)), l2((l2(raw_y)[:8] - my) @ (b * rho[:6] ** 4))
    out(f"cca.cosines.{r:g}", t @ i.T)                                   # signs of the directions cancel

xn, yn = x, y
m = Ridge(alpha=0.7).fit(xn, yn)
out("ridge.forward", l2(m.predict(xn[:5])))
m = Ridge(alpha=3.0).fit(yn, xn)
out("ridge.backward", l2(m.predict(l2(raw_y)[:5])))

# square: SciPy's solver; of different widths: by hand
x9 = l2(raw_x[:, :DY])
x9c, ync = x9 - x9.mean(0), yn - yn.mean(0)
W, _ = scipy.linalg.orthogonal_procrustes(x9c, ync)
out("procrustes.square", l2(x9c[:5] @ W + yn.mean(0)))
xnc = xn - xn.mean(0)
u, s, vt = np.linalg.svd(xnc.T @ ync, full_matrices=False)
out("procrustes.wide", l2(xnc[:5] @ (u @ vt) + yn.mean(0)))

# the Gaussian projection of methods section 1
P = np.random.default_rng([5, 40]).standard_normal((64, 40)) / np.sqrt(64)
V = np.random.default_rng(6).standard_normal((10, 64)).astype(np.float32)
p = (V.astype(np.float64) @ P).astype(np.float32)
out("project", l2(p.astype(np.float64))[:3])

# kernel models: random Fourier features of a Gaussian kernel, then the same solvers
FEATURES, SEED = 16, 42


def lift(rows, side):
    """z of unit rows as a function; width: the median distance of the training rows."""
    n = min(len(rows), 1000)
    s = rows[np.arange(n) * len(rows) // n]
    d = np.sqrt(((s[:, None] - s[None]) ** 2).sum(2))[np.tril_indices(n, -1)]
    g = np.random.default_rng([SEED, side])
    w = g.standard_normal((FEATURES, rows.shape[1])) / np.median(d)
    b = 2 * np.pi * g.random(FEATURES)
    return lambda v: np.sqrt(2 / FEATURES) * np.cos(v @ w.T + b)


zx, zy = lift(x, 0), lift(l2(raw_y)[np.unique(ti)], 1)
X_, Y_ = zx(x), zy(y)
out("fourier.text", X_[:3])
m = Ridge(alpha=0.7).fit(X_, yn)
out("kernel_ridge.forward", l2(m.predict(X_[:5])))
m = Ridge(alpha=3.0).fit(Y_, xn)
out("kernel_ridge.backward", l2(m.predict(zy(l2(raw_y)[:5]))))
xc, yc, r = X_ - X_.mean(0), Y_ - Y_.mean(0), 1e-1
Cxx, Cyy, Cxy = xc.T @ xc / M, yc.T @ yc / M, xc.T @ yc / M
Rx, Ry = Cxx + r * np.trace(Cxx) / FEATURES * np.eye(FEATURES), Cyy + r * np.trace(Cyy) / FEATURES * np.eye(FEATURES)
w, a = scipy.linalg.eigh(Cxy @ np.linalg.solve(Ry, Cxy.T), Rx)
rho = np.sqrt(np.maximum(w[::-1], 0))
a = a[:, ::-1][:, :6]
b = np.linalg.solve(Ry, Cxy.T @ a) / rho[:6]
out("kernel_cca.cosines", l2(xc[:8] @ (a * rho[:6] ** 4)) @ l2((zy(l2(raw_y)[:8]) - Y_.mean(0)) @ (b * rho[:6] ** 4)).T)

# inverse document frequency, on texts with zeros
from sklearn.feature_extraction.text import TfidfTransformer  # noqa: E402

sparse = np.maximum(raw_x, 0)
weighted = TfidfTransformer(norm="l2", smooth_idf=True).fit(sparse).transform(sparse).toarray()
m = Ridge(alpha=0.7).fit(weighted, yn)
out("ridge.idf", l2(m.predict(weighted[:5])))
