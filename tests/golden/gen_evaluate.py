"""evaluate.npz and evaluate.json: a small evaluation and its figures by plain NumPy (argsort, loops, default_rng([seed, 1]) bootstrap). No scores tie. NumPy's version is in the JSON."""
import json
import numpy as np

NI, DIM, KS = 40, 6, (1, 3, 10)


def draw(seed):
    rng = np.random.default_rng(seed)
    iv = rng.standard_normal((NI, DIM)).astype(np.float32)
    gt = np.array([i for i in range(NI) for _ in range(1 + (i * 7) % 4)] + [-1, -1])
    tv = (np.where(gt[:, None] >= 0, iv[gt], 0) + 0.9 * rng.standard_normal((len(gt), DIM))).astype(np.float32)
    iv /= np.linalg.norm(iv, axis=1, keepdims=True)
    tv /= np.linalg.norm(tv, axis=1, keepdims=True)
    order = rng.permutation(len(gt))
    return tv[order], iv, gt[order]


def apart(S):
    return all(np.diff(np.sort(row)).min() > 1e-6 for s in (S, S.T) for row in s)      # no order that float32 could change


seed = next(s for s in range(10000) if apart((lambda t, i, g: t.astype(np.float64) @ i.astype(np.float64).T)(*draw(s))))
tv, iv, gt = draw(seed)
np.savez("evaluate.npz", text_6=tv, video_6=iv, ground_truth=gt, text_ids=np.array(["t%d" % i for i in range(len(gt))]), video_ids=np.array(["v%d" % i for i in range(NI)]))

S = tv.astype(np.float64) @ iv.astype(np.float64).T


def values(s, positives):
    rank = {j: k + 1 for k, j in enumerate(np.argsort(-s, kind="stable"))}
    r = sorted(rank[j] for j in positives)
    R = len(r)
    out = {"recall@%d" % k: float(r[0] <= k) for k in KS}
    out["mrr"] = 1 / r[0]
    out["ndcg@10"] = sum(1 / np.log2(1 + x) for x in r if x <= 10) / sum(1 / np.log2(1 + x) for x in range(1, min(R, 10) + 1))
    out["map_at_r"] = sum((k + 1) / x for k, x in enumerate(r) if x <= R) / R
    out["r_precision"] = sum(x <= R for x in r) / R
    out["median_rank"] = out["mean_rank"] = float(r[0])
    for k in (3, 60):                               # 60: beyond the gallery of images
        ap = sum((i + 1) / x for i, x in enumerate(r) if x <= k)
        out["map@%d" % k] = ap / min(R, k)
        out["map@%d/R" % k] = ap / R                # --map-denominator R
        out["precision@%d" % k] = sum(x <= k for x in r) / k
        out["recall_all@%d" % k] = sum(x <= k for x in r) / R
    return out


side = {"t2i": [(int(g), values(S[i], [g])) for i, g in enumerate(gt) if g >= 0],
        "i2t": [(j, values(S[:, j], np.flatnonzero(gt == j))) for j in range(NI) if (gt == j).any()]}
keys = list(side["t2i"][0][1])
fold = lambda rows, k: float((np.median if k == "median_rank" else np.mean)([v[k] for v in rows]))
out = {"numpy": np.__version__}
for d, rows in side.items():
    out[d] = {k: fold([v for _, v in rows], k) for k in keys}
    out[d]["n_queries"] = len(rows)
images = sorted({c for rows in side.values() for c, _ in rows})
g = np.random.default_rng([42, 1])
samples = {d: {k: [] for k in keys} for d in side}
for _ in range(2000):
    drawn = np.bincount(g.integers(0, len(images), len(images)), minlength=len(images))
    for d, rows in side.items():
        again = [v for c, v in rows for _ in range(drawn[images.index(c)])]
        for k in keys:
            samples[d][k].append(fold(again, k))
for d in side:
    out[d]["ci95"] = {k: list(map(float, np.percentile(samples[d][k], [2.5, 97.5]))) for k in keys}
json.dump(out, open("evaluate.json", "w"), indent=1)
