#!/usr/bin/env python3
"""The candidate-pool grid by NumPy, with the pools that methods.md section 1 defines: what run-experiments' fp32 cells must equal.
Writes grid.npz (the data: 3 captions an image, some without answer) and grid.json. Scores are float64 products of the float32 rows; the script makes sure
that no two scores that matter lie within 1e-6 of each other, so the order does not hang on rounding. Ties cannot occur then, so ranks are plain."""
import json
import sys

import numpy as np

SEED, K, SIZES, DIMS = 42, 10, [12, 25, 40], [16, 48]
rng = np.random.default_rng(7)
n_video, n_text = 60, 150


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


truth = np.sort(rng.integers(0, n_video, n_text)).astype(np.int64)
truth = truth[rng.permutation(n_text)]
truth[[5, 77]] = -1
data = {'ground_truth': truth}
for d in DIMS:
    video = unit(rng.standard_normal((n_video, d)))
    data[f'video_{d}'] = video
    data[f'text_{d}'] = unit(video[truth] + rng.standard_normal((n_text, d)) * 1.3 / np.sqrt(d) * 2)
np.savez('grid.npz', **data)


def metrics(ranks, positives):
    """ranks: sorted ranks (from 1) of all positives in the pool."""
    first = ranks[0]
    ideal = sum(1 / np.log2(1 + r) for r in range(1, min(positives, K) + 1))
    precision = [sum(q <= r for q in ranks) / r for r in ranks if r <= positives]
    return {f'recall@{K}': float(first <= K), 'mrr': 1 / first, f'ndcg@{K}': sum(1 / np.log2(1 + r) for r in ranks if r <= K) / ideal,
            'map_at_r': sum(precision) / positives, 'r_precision': sum(r <= positives for r in ranks) / positives, 'mean_rank': float(first)}


def direction(queries, gallery, positives, number, size):
    scores = queries.astype(np.float64) @ gallery.astype(np.float64).T
    gen = np.random.default_rng([SEED, number, size]) if size else None
    rows = []
    for q, pos in enumerate(positives):
        p = len(pos)
        if p == 0 or (size and p > size):
            continue
        if size and size < len(gallery):
            neg = np.delete(np.arange(len(gallery)), pos)[gen.choice(len(gallery) - p, size - p, replace=False)]
            pool = np.concatenate([pos, neg])
        else:
            pool = np.arange(len(gallery))
        s = scores[q, pool]
        good = scores[q, pos]
        gaps = np.abs(s[:, None] - good[None, :])
        assert np.sum(gaps < 1e-6) == p, 'two scores that matter are too close: change the seed of the data'
        rows.append(metrics(sorted(1 + int(np.sum(s > g)) for g in good), p))
    return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} | {'median_rank': float(np.median([r['mean_rank'] for r in rows])), 'queries': len(rows)}


result = {'numpy': np.__version__, 'cells': {}}
for d in DIMS:
    text, video = data[f'text_{d}'], data[f'video_{d}']
    to_text = [np.flatnonzero(truth == v) for v in range(n_video)]
    to_video = [np.array([t]) if t >= 0 else np.array([], int) for t in truth]
    for size in SIZES + [0]:
        result['cells'][f'dim_{d}_prec_fp32_cand_{size or "full"}'] = {
            'text_to_video': direction(text, video, to_video, 0, size), 'video_to_text': direction(video, text, to_text, 1, size)}
json.dump(result, open('grid.json', 'w'), indent=1)
print('numpy', np.__version__, file=sys.stderr)
