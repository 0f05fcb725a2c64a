"""Golden split for lib/data/split.c. Lines: seed, fractions, then one letter an id (t train, v val, x test) in the order the test makes the ids: id i is str(i * 7919 % 100003)."""
import sys
import numpy as np

with open(sys.argv[1], "w") as f:
    f.write(f"# gen_split.py, NumPy {np.__version__}\n")
    for seed, n, (a, b, c) in [(42, 100, (.6, .2, .2)), (7, 13, (.8, .1, .1)), (0, 1, (.6, .2, .2)), (2**40, 257, (0, 0, 1)), (42, 29, (.5, .25, .25))]:
        ids = [str(i * 7919 % 100003) for i in range(n)]
        order = sorted(ids, key=lambda s: s.encode())
        p = np.random.default_rng(seed).permutation(n)
        test, val = int(n * c), int(n * b)
        part = {order[p[k]]: "x" if k < test else "v" if k < test + val else "t" for k in range(n)}
        f.write(f"{seed} {a} {b} {c} {''.join(part[i] for i in ids)}\n")
