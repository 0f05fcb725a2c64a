#!/usr/bin/env python3
"""Draws of numpy.random.Generator that lib/base/rng.c must repeat bit for bit. Prints tests/golden/rng.txt:

    # numpy VERSION
    SEEDS METHOD ARGS SHA256 FIRST...

SEEDS: comma-separated words. The hash is over little-endian 64-bit values (float64 or int64). Usage: gen_rng.py > rng.txt
"""
import hashlib
import numpy as np

SEEDS = [[0], [1], [42], [7], [2**32 - 1], [2**32], [2**64 - 1], [0x123456789abcdef0], [42, 1], [0, 1, 500], [42, 0, 100, 3, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9],
         [2**40, 0, 2**63], [0, 0]]
print(f"# numpy {np.__version__}; gen_rng.py")


def line(seeds, method, args, values):
    v = np.asarray(values)
    v = v.astype('<f8') if v.dtype.kind == 'f' else v.astype('<i8')
    first = ' '.join(x.hex() if v.dtype.kind == 'f' else str(x) for x in v[:3].tolist())
    print(','.join(map(str, seeds)), method, ','.join(map(str, args)) or '-', hashlib.sha256(v.tobytes()).hexdigest(), first)


def gen(seeds):
    return np.random.default_rng(seeds if len(seeds) > 1 else seeds[0])


RANGES = [(0, 1), (5, 6), (0, 2), (0, 10), (-7, 9), (0, 100), (0, 1024), (0, 1023), (0, 1025), (0, 2**31), (0, 2**31 + 1), (0, 3 * 2**30), (0, 2**32 - 1), (0, 2**32),
          (0, 2**32 + 1), (0, 2**40 - 3), (-2**62, 2**62), (-2**63, 2**63 - 1), (0, 2**63 - 1), (1 - 2**63, 2)]
for s in SEEDS:
    line(s, 'random', [1000], gen(s).random(1000))
    line(s, 'integers', [0, 1000, 1001], gen(s).integers(0, 1000, 1001))
    line(s, 'standard_normal', [2000], gen(s).standard_normal(2000))
    line(s, 'permutation', [1003], gen(s).permutation(1003))
for low, high in RANGES:
    line([42], 'integers', [low, high, 2000], gen([42]).integers(low, high, 2000))
line([42], 'standard_normal', [300000], gen([42]).standard_normal(300000))   # 300,000 draws: dozens from the tail (|x| > 3.65) and thousands from the wedges
line([3, 500], 'standard_normal', [300000], gen([3, 500]).standard_normal(300000))
for n in (0, 1, 2, 5, 100, 25000):
    line([11], 'permutation', [n], gen([11]).permutation(n))
    x = np.arange(n, dtype=np.int64) * 3 + 1
    g = gen([12])
    g.shuffle(x)
    line([12], 'shuffle', [n], x)
# both methods of choice, either side of its switches (population 10,000; 1/50 of it), everything, nothing, one
for n, k in [(1, 1), (1, 0), (10, 10), (10, 3), (5000, 499), (10000, 9999), (10000, 10000), (10001, 200), (10001, 201), (10001, 10001), (10001, 10000), (10050, 201),
             (10050, 202), (25000, 499), (25000, 500), (25000, 501), (25000, 24999), (123287, 100), (1000000, 20000), (1000000, 20001), (2**33, 1000), (2**40, 5)]:
    line([0, 1, 500], 'choice', [n, k], gen([0, 1, 500]).choice(n, k, replace=False))
# one generator used for everything in turn: the half word that waits must survive as NumPy keeps it
g = gen([42])
out = []
for i in range(300):
    out += [float(g.integers(0, 7)), g.random(), float(g.integers(0, 2**35)), g.standard_normal()] + g.choice(50, 3, replace=False).astype(float).tolist() \
        + g.permutation(4).astype(float).tolist()
line([42], 'mixed', [300], np.array(out))
