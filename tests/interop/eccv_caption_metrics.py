"""evaluate against the eccv_caption package (PyPI) on the real files: COCO 1K and 5K, CxC, ECCV Caption, on random and on structured scores.

Both get the same scores: inner products as one chain of fused multiply-adds, which float64 reproduces. The package ranks by a list; a stable sort gives it the
order that --ties stable means, so equality must hold to rounding (1e-9) even where scores tie. Argument: the folder with the programs."""
import json, os, subprocess, sys, tempfile

try:
    import numpy as np
    import eccv_caption
except ImportError as e:
    print("skip - eccv_caption (%s)" % e)
    sys.exit(0)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import BIN, SHARED, check  # noqa: E402

DATA = os.path.join(os.path.dirname(eccv_caption.__file__), "data")
DIM, DEPTH = 8, 250          # DEPTH: 1K folds need 10 items of their own fifth (or twentieth) in each list; checked below


def chain(a, b):
    """float32(fma chain) of all rows of a with all rows of b."""
    s = np.zeros((len(a), len(b)), np.float32)
    for k in range(a.shape[1]):
        s = (s.astype(np.float64) + a[:, k:k + 1].astype(np.float64) * b[None, :, k].astype(np.float64)).astype(np.float32)
    return s


def top(queries, gallery, gallery_ids):
    """Lists of the first DEPTH ids, equal scores in the gallery's order."""
    out = []
    for i in range(0, len(queries), 500):
        s = chain(queries[i:i + 500], gallery)
        kth = -np.partition(-s, DEPTH, axis=1)[:, DEPTH]
        for row, limit in zip(s, kth):
            best = np.flatnonzero(row >= limit)
            out.append(gallery_ids[best[np.argsort(-row[best], kind="stable")]][:DEPTH].tolist())
    return out


def evaluate(path, *args):
    p = subprocess.run([os.path.join(BIN, "evaluate"), path, "--no-normalize", "--ties", "stable", "--bootstrap", "0", "--per-query", "none", "--no-track", "--json", "-q", *args],
                       capture_output=True, text=True)
    if p.returncode:
        raise SystemExit("not ok - evaluate %s: %s" % (" ".join(args), p.stderr))
    return json.loads(p.stdout)


def one(kind, folder, tmp, data):
    rng = np.random.default_rng(1)
    captions = np.load(os.path.join(data, "coco_test_ids.npy"))
    image_of = {int(k): v[0] for k, v in json.load(open(os.path.join(data, "original_caption_to_image.json"))).items()}
    images = rng.permutation(sorted({image_of[int(c)] for c in captions}))          # an order that is not that of the files
    captions = rng.permutation(captions)
    row = {int(i): k for k, i in enumerate(images)}
    truth = np.array([row[image_of[int(c)]] for c in captions])
    iv = rng.standard_normal((len(images), DIM)).astype(np.float32)
    tv = rng.standard_normal((len(captions), DIM)).astype(np.float32)
    if kind == "structured":
        tv = (iv[truth] + np.float32(0.4) * tv).astype(np.float32)
    path = os.path.join(tmp, kind + ".npz")
    np.savez(path, **{"text_%d" % DIM: tv, "video_%d" % DIM: iv, "ground_truth": truth, "text_ids": captions, "video_ids": images})
    i2t = dict(zip(images.tolist(), top(iv, tv, captions)))
    t2i = dict(zip(captions.tolist(), top(tv, iv, images)))
    ours = {"coco_5k": evaluate(path, "--relevance", "coco:" + data, "--protocol", "coco-5k"), "cxc": evaluate(path, "--relevance", "cxc:" + data),
            "eccv": evaluate(path, "--relevance", "eccv:" + data)}
    metric = eccv_caption.Metrics()
    metrics = metric.compute_all_metrics(i2t, t2i, target_metrics=["coco_5k_recalls", "cxc_recalls", "eccv_r1", "eccv_map_at_r", "eccv_rprecision"], Ks=(1, 5, 10))
    for name in ("coco_5k", "cxc"):
        for k in (1, 5, 10):
            for d in ("t2i", "i2t"):
                got, want = ours[name][d]["recall@%d" % k], metrics["%s_r%d" % (name, k)][d]
                check("%s scores: %s R@%d %s equals the package's" % (kind, name, k, d), abs(got - want) < 1e-9, (got, want))
    for theirs, mine in (("eccv_r1", "recall@1"), ("eccv_map_at_r", "map_at_r"), ("eccv_rprecision", "r_precision")):
        for d in ("t2i", "i2t"):
            got, want = ours["eccv"][d][mine], metrics[theirs][d]
            check("%s scores: %s %s equals the package's" % (kind, theirs, d), abs(got - want) < 1e-9, (got, want))
    check("%s scores: positives outside the gallery are counted and said" % kind,
          any("not in the gallery" in w for w in ours["eccv"]["warnings"]) and ours["eccv"]["t2i"]["n_queries"] == 1332 and ours["eccv"]["i2t"]["n_queries"] == 1261,
          (ours["eccv"]["warnings"], ours["eccv"]["t2i"]["n_queries"], ours["eccv"]["i2t"]["n_queries"]))
    folds = evaluate(path, "--relevance", "coco:" + data, "--protocol", "coco-1k")
    for k in (1, 10):
        want = metric.coco_1k_recalls({"i2t": i2t, "t2i": t2i}, "all", K=k)
        for d in ("t2i", "i2t"):
            got = folds[d]["recall@%d" % k]
            check("%s scores: coco_1k R@%d %s equals the package's" % (kind, k, d), abs(got - want[d]) < 1e-9, (got, want[d]))
    expected = evaluate(path, "--ties", "expected", "--relevance", "cxc:" + data)
    check("%s scores: exact ties change little where hardly a score ties" % kind, abs(expected["t2i"]["recall@10"] - ours["cxc"]["t2i"]["recall@10"]) < 1e-3)


def main():
    shared = os.path.join(SHARED, "data", "coco5k")
    if os.path.isdir(shared):
        names = sorted(n for n in os.listdir(DATA) if n.endswith((".json", ".npy")))
        check("the shared files are the package's", all(open(os.path.join(DATA, n), "rb").read() == open(os.path.join(shared, n), "rb").read() for n in names), names)
    else:
        print("skip - shared files of relevance (%s is absent; the package's own are used)" % shared)
    with tempfile.TemporaryDirectory(prefix="itr-eccv.") as tmp:
        one("random", DATA, tmp, DATA)
        one("structured", DATA, tmp, shared if os.path.isdir(shared) else DATA)
    sys.exit(story.verdict())


main()
