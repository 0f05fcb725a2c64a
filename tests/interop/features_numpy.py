"""h5py and numpy on what extract-features wrote: types, strings, half floats, the Gaussian projection. Argument: the folder with the programs."""
import json, os, shutil, sys, tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import BIN, check, tool  # noqa: E402


os.chdir(tempfile.mkdtemp(prefix="itr-features."))
tool("fetch-coco", "--synthetic", "60", "--seed", "3", "-o", "scenes")
rows = [json.loads(line) for line in open("scenes/manifest.jsonl", encoding="utf-8")]
rows = [r for r in rows if "id" in r]
tool("extract-features", "--image-encoder", "classic", "--text-encoder", "hash", "--patches", "--tokens", "--max-tokens", "6", "scenes/manifest.jsonl", "-o", "f.h5")
with h5py.File("f.h5") as f:
    check("root attributes", f.attrs["format"] == b"itr-features" and f.attrs["complete"] == 1 and f.attrs["synthetic"] == 1, dict(f.attrs))
    check("image ids, in manifest order", [s.decode() for s in f["image/id"]] == [r["id"] for r in rows])
    check("captions", [s.decode() for s in f["text/caption"]] == [c["text"] for r in rows for c in r["captions"]])
    check("the image of each caption", list(f["text/image"]) == [i for i, r in enumerate(rows) for _ in r["captions"]])
    check("splits", [s.decode() for s in f["image/split"]] == [r["split"] for r in rows])
    check("pooled", f["image/pooled"].shape == (60, 2048) and f["image/pooled"].dtype == np.float32 and np.isfinite(f["image/pooled"][:]).all())
    check("patches are float16", f["image/patches"].shape == (60, 49, 2048) and f["image/patches"].dtype == np.float16 and list(f["image/grid"]) == [7, 7])
    tokens, length = f["text/tokens"][:], f["text/length"][:]
    check("tokens are float16, unit rows, zero past the end", tokens.dtype == np.float16 and all(
        np.allclose(np.linalg.norm(t[:n].astype(float), axis=1), 1, atol=1e-2) and not t[n:].any() for t, n in zip(tokens, length)))
    names = [s.decode() for s in f["label/name"]]
    start, index = f["label/start"][:], f["label/index"][:]
    check("labels are lists, compressed sparse rows", start.dtype == index.dtype == np.int64 and start[0] == 0 and start[-1] == len(index) and "matrix" not in f["label"])
    check("labels", all([names[k] for k in index[start[i]:start[i + 1]]] == sorted(set(r["labels"]), key=str.encode) for i, r in enumerate(rows)) and names == sorted(names, key=str.encode))
    check("provenance and config are JSON", json.loads(f["provenance"][()])["tool"] == "extract-features" and json.loads(f["config"][()])["image_encoder"] == "classic")
    check("groups say what made them", f["image"].attrs["encoder"] == b"classic" and f["text"].attrs["encoder"] == b"hash" and f["text"].attrs["normalized"] == 0)
    test = [i for i, r in enumerate(rows) if r["split"] == "test"]

# what stores had before: a matrix of 0 and 1; it is read as lists
shutil.copy("f.h5", "old.h5")
with h5py.File("old.h5", "r+") as f:
    matrix = np.zeros((60, len(names)), np.uint8)
    for i in range(60):
        matrix[i, index[start[i]:start[i + 1]]] = 1
    del f["label/start"], f["label/index"]
    f["label/matrix"] = matrix
tool("extract-features", "--merge", "old.h5", "-o", "new.h5")
with h5py.File("new.h5") as f:
    check("labels of an older store", np.array_equal(f["label/start"][:], start) and np.array_equal(f["label/index"][:], index) and [s.decode() for s in f["label/name"]] == names)

if os.path.exists(os.path.join(BIN, "train")):
    tool("train", "--model", "cca", "f.h5", "-o", "cca.h5")
    tool("extract-features", "--model", "cca.h5", "f.h5", "--split", "test", "-o", "base.npz")
    base = int([k for k in np.load("base.npz").files if k.startswith("text_") and k != "text_ids"][0][5:])
    tool("extract-features", "--model", "cca.h5", "f.h5", "--split", "test", "--project", "%d,16,%d" % (base, base + 40), "--truncate", "7", "-o", "e.npz", "--shuffle-queries")
    e, plain = np.load("e.npz"), np.load("base.npz")
    check("video_ids are the split's", [str(s) for s in e["video_ids"]] == [rows[i]["id"] for i in test])
    where = {str(s): i for i, s in enumerate(plain["text_ids"])}
    order = [where[str(s)] for s in e["text_ids"]]
    check("--shuffle-queries is default_rng(seed).permutation", order == list(np.random.default_rng(42).permutation(len(order))))
    check("rows and ground truth move with the ids", np.array_equal(e["text_%d" % base], plain["text_%d" % base][order]) and np.array_equal(e["ground_truth"], plain["ground_truth"][order]))
    unit = lambda x: x / np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    for dim in (16, base + 40):
        g = np.random.default_rng([42, dim]).standard_normal((base, dim)) / np.sqrt(base)
        for side in ("text", "video"):
            want = unit((e["%s_%d" % (side, base)].astype(float) @ g).astype(np.float32))
            worst = np.abs(want - e["%s_%d" % (side, dim)]).max()
            check("Gaussian projection to %d, %s" % (dim, side), worst < 2e-7, worst)        # float32 rounding of numbers below 1
    check("truncation", np.abs(unit(e["text_%d" % base][:, :7]) - e["text_7"]).max() < 2e-7)
    check("provenance", json.loads(str(e["itr_provenance"]))["synthetic"] is True)
else:
    print("skip - embeddings (no bin/train)")
sys.exit(story.verdict())
