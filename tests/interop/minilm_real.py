"""The real all-MiniLM-L6-v2 on 1,000 real COCO captions, against transformers' vectors (tests/golden/minilm.npz, gen_minilm.py). Argument: the folder with the programs."""
import json, os, subprocess, sys, tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import BIN, HERE, SHARED, check  # noqa: E402

CAPTIONS, WEIGHTS = SHARED + "/data/coco5k/captions.txt", SHARED + "/weights/all-MiniLM-L6-v2"


if not os.path.exists(CAPTIONS) or not os.path.exists(WEIGHTS):
    print("skip - MiniLM on COCO captions (no %s, no %s)" % (CAPTIONS, WEIGHTS))
    sys.exit(0)
golden = np.load(HERE + "/../golden/minilm.npz")
os.chdir(tempfile.mkdtemp(prefix="itr-minilm."))
texts = [line.rstrip("\n") for line in open(CAPTIONS, encoding="utf-8")][:1000]
with open("m.jsonl", "w", encoding="utf-8") as f:
    for i in range(200):
        f.write(json.dumps(dict(id=str(i), image="none.jpg", synthetic=False, captions=[dict(id=str(5 * i + k), text=texts[5 * i + k]) for k in range(5)])) + "\n")


def vectors(*options):
    out = subprocess.run([BIN + "/extract-features", "--text-encoder", "bert", "--text-weights", WEIGHTS, *options, "m.jsonl", "-f", "-o", "f.h5", "--no-track", "-q"], capture_output=True, text=True)
    if out.returncode:
        raise SystemExit("not ok - extract-features: " + out.stderr)
    with h5py.File("f.h5") as f:
        return f["text/pooled"][:].astype(np.float64)


x = vectors()
signs = np.where(np.random.default_rng(7).random((384, 16)) < 0.5, -1.0, 1.0)
first, sums = golden["first"].astype(np.float64), golden["sums"].astype(np.float64)
e = float((np.abs(x[:20] - first).max(1) / np.abs(first).max(1)).max())
check("20 vectors whole: largest error of a row %.1e of its largest value, allowed 1e-04" % e, e <= 1e-4)
e = float((np.abs(x @ signs - sums).max(1) / np.abs(x).max(1)).max())
check("sixteen sums of each of 1,000 vectors: largest error %.1e of the vector's largest value, allowed 1e-04" % e, e <= 1e-4)
for precision, least in (("bf16", 0.999), ("int8", 0.99)):
    y = vectors("--precision", precision)
    cos = float(((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)).min())
    check("%s: smallest cosine to fp32 %.5f, asked %.3f" % (precision, cos, least), cos >= least)
sys.exit(story.verdict())
