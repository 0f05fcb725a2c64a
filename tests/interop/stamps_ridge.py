"""A plain NumPy ridge (lambda = 1, image -> text, unit rows) on the features that extract-features makes of the real stamps with the published EfficientNet-Lite0 and MiniLM, ten random
80/20 splits, equal captions all positive: the features are good, and train and evaluate find the same figures. Argument: the folder with the programs; FEATURES: a store to use instead."""
import json, os, sys, tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import SHARED, check, tool  # noqa: E402

STAMPS, LITE, MINILM = SHARED + "/data/stamps", SHARED + "/weights/efficientnet_lite0/efficientnet-lite0-57934424.pth", SHARED + "/weights/all-MiniLM-L6-v2"
READY = os.path.abspath(os.environ["FEATURES"]) if os.environ.get("FEATURES") else None


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


if not READY and not all(map(os.path.exists, (STAMPS, LITE, MINILM))):
    print("skip - ridge on stamps (no %s with data/stamps and weights)" % SHARED)
    sys.exit(0)
os.chdir(tempfile.mkdtemp(prefix="itr-stamps."))
if READY:
    os.symlink(READY, "f.h5")
else:
    tool("fetch-coco", "--from", "sidecar", STAMPS, "--split-sizes", "none", "-o", "d")
    tool("extract-features", "--image-encoder", "efficientnet-lite0", "--image-weights", LITE, "--text-encoder", "bert", "--text-weights", MINILM, "d/manifest.jsonl", "-o", "f.h5")
with h5py.File("f.h5") as f:
    ids, caption = [s.decode() for s in f["image/id"]], np.array([s.decode() for s in f["text/caption"]])
    text, image = unit(f["text/pooled"][:].astype(np.float64)), unit(f["image/pooled"][:].astype(np.float64))[f["text/image"][:]]
order = np.array(sorted(range(len(ids)), key=lambda i: ids[i].encode()))
table, theirs = [], []
for seed in range(1, 11):
    p = order[np.random.default_rng(seed).permutation(len(ids))]
    test, train = p[:int(len(ids) * 0.2)], p[int(len(ids) * 0.2):]
    mx, my = image[train].mean(0), text[train].mean(0)
    a = image[train] - mx
    w = a.T @ np.linalg.solve(a @ a.T + np.eye(len(train)), text[train] - my)
    s, same = text[test] @ unit((image[test] - mx) @ w + my).T, caption[test][:, None] == caption[test][None]
    row = []
    for m in (s, s.T):
        best = np.where(same, m, -9).max(1, keepdims=True)
        above = ((m > best) & ~same).sum(1)
        row += [(above < k).mean() for k in (1, 5, 10)]
    table.append(row)
    tool("train", "--model", "ridge", "--direction", "image-to-text", "--lambda", "1", "--split-sizes", "0.8/0/0.2", "--seed", str(seed), "f.h5", "-o", "m.h5", "-f")
    j = json.loads(tool("evaluate", "--model", "m.h5", "f.h5", "--split", "test", "--relevance", "captions:f.h5", "--bootstrap", "0", "--per-query", "none", "--json"))
    theirs.append([j[d]["recall@%d" % k] for d in ("t2i", "i2t") for k in (1, 5, 10)])
table, theirs = 100 * np.array(table), 100 * np.array(theirs)
print("# numpy: t2i R@1/5/10 %.1f/%.1f/%.1f, i2t %.1f/%.1f/%.1f" % tuple(table.mean(0)))
print("# itr:   t2i R@1/5/10 %.1f/%.1f/%.1f, i2t %.1f/%.1f/%.1f" % tuple(theirs.mean(0)))
# float32 products may swap two scores that differ in the seventh digit: one query of 107 in a split, at most
check("train and evaluate find NumPy's figures on each of ten splits", np.abs(table - theirs).max() < 100 / 107 + 0.01, np.abs(table - theirs).max(0))
# 26.5/55.4/68.6 was measured on ten other splits; a split's standard deviation is 4, a mean's 1.3, a difference's 1.8
check("the features are worth what they should be: t2i 26.5/55.4/68.6 within 4", len(ids) != 538 or np.abs(table.mean(0)[:3] - [26.5, 55.4, 68.6]).max() < 4, table.mean(0))
sys.exit(story.verdict())
