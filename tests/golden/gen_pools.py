"""Candidate pools by NumPy, as lib/retrieval/pools.h promises them. Writes pools.txt: one line a query, or a line "-" for one left out."""
import sys
import numpy as np

CASES = [  # gallery, size, seed, direction, positives of each query
    (12, 5, 42, 0, [[3], [0], [], [11], [2, 7], [1, 2, 3, 4, 5, 6]]),
    (12, 12, 42, 0, [[3], [], [2, 7]]),
    (400, 20, 7, 1, [[q, q + 100, q + 250] for q in range(20)]),
    (30000, 40, 7, 0, [[(q * 977) % 30000] for q in range(6)]),
    (11000, 10900, 1, 0, [[5], [10999]]),
]
with open("pools.txt", "w") as out:
    print(f"# numpy {np.__version__}; case: gallery size seed direction queries; query: positives ; sum of pool x position, first 8 candidates", file=out)
    for gallery, size, seed, direction, lists in CASES:
        rng = np.random.default_rng([seed, direction, size])
        print("case", gallery, size, seed, direction, len(lists), file=out)
        for pos in lists:
            p = len(pos)
            if p == 0 or p > min(size, gallery):
                pool = None
            elif size >= gallery:
                pool = np.concatenate([pos, np.delete(np.arange(gallery), pos)])
            else:
                neg = np.delete(np.arange(gallery), pos)[rng.choice(gallery - p, size - p, replace=False)]
                pool = np.concatenate([pos, neg])
            head = " ".join(map(str, [p, *pos]))
            if pool is None:
                print(head, "0", file=out)
            else:
                pool = pool.astype(np.int64)
                print(head, len(pool), int((pool * np.arange(1, len(pool) + 1)).sum()), *pool[:8] if len(pool) >= 8 else pool, file=out)
