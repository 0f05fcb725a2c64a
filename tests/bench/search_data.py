#!/usr/bin/env python3
"""The data of the search peer (peer_search.py, --data lowrank), drawn by the same statements, as files: vec_lowrank_N_D.npy, which the peer then loads
itself, and queries_lowrank_N_D.npy. Both sides of bench_search thus search the same vectors. usage: search_data.py FOLDER N D [SEED]"""
import os
import sys

import numpy as np

folder, n, d = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 42
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(seed)
latent = rng.standard_normal((32, d), dtype=np.float32)


def gen(m):
    x = rng.standard_normal((m, d), dtype=np.float32)
    x *= 0.35 * np.sqrt(32)
    x += rng.standard_normal((m, 32), dtype=np.float32) @ latent
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


np.save(f'{folder}/queries_lowrank_{n}_{d}.npy', gen(512))
path = f'{folder}/vec_lowrank_{n}_{d}.npy'
if not os.path.exists(path):
    x = np.empty((n, d), np.float32)
    for i in range(0, n, 100_000):
        x[i:i + 100_000] = gen(min(100_000, n - i))
    np.save(path, x)
