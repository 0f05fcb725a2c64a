"""Image-clustered bootstrap by plain NumPy, for tests/unit/test_retrieval_bootstrap.c. Writes bootstrap.txt."""
import numpy as np

rng = np.random.default_rng(5)
CLUSTERS, RESAMPLES, SEED, FOLDS = 23, 200, 9, 3
text = np.sort(np.concatenate([np.repeat(np.arange(CLUSTERS), 2), rng.integers(0, CLUSTERS, 11)]))
text = text[text != 4]                       # image 4 has no caption, and is no query either: it is never drawn
image = np.array([c for c in range(CLUSTERS) if c not in (4, 7)])
vt = np.round(np.stack([rng.random(len(text)), rng.integers(1, 9, len(text)) / 2, rng.integers(1, 9, len(text)) / 2], 1), 6)
vi = np.round(np.stack([rng.random(len(image)), rng.integers(1, 9, len(image)) / 2, rng.integers(1, 9, len(image)) / 2], 1), 6)

def statistic(v, of, drawn, fold, folds):
    per_fold = []
    for f in range(folds):
        rows = np.concatenate([np.flatnonzero(of == c) for c in drawn if fold[c] == f] or [np.zeros(0, int)]).astype(int)
        if len(rows):
            x = v[rows]
            per_fold.append([x[:, 0].mean(), np.median(x[:, 1]), x[:, 2].mean()])
    return np.mean(per_fold, 0)

with open("bootstrap.txt", "w") as out:
    print(f"# numpy {np.__version__}; columns: recall@1, median_rank, mean_rank", file=out)
    print(CLUSTERS, RESAMPLES, SEED, FOLDS, len(text), len(image), file=out)
    for of, v in ((text, vt), (image, vi)):
        for c, x in zip(of, v):
            print(c, *map(repr, map(float, x)), file=out)
    used = np.array([c for c in range(CLUSTERS) if c in text or c in image])
    for folds in (1, FOLDS):
        fold = np.arange(CLUSTERS) % folds
        g = np.random.default_rng([SEED, 1])
        samples = []
        for _ in range(RESAMPLES):
            drawn = used[g.integers(0, len(used), len(used))]
            samples.append(np.concatenate([statistic(vt, text, drawn, fold, folds), statistic(vi, image, drawn, fold, folds)]))
        for low, high in np.percentile(samples, [2.5, 97.5], axis=0).T:
            print(repr(float(low)), repr(float(high)), file=out)
