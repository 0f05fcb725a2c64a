"""extract-features against torchvision and timm at true size: ResNet-18 and 50, MobileNetV3-Small, EfficientNet-Lite0 with random weights (cnn_weights.py) on synthetic scenes, and with the
published EfficientNet-Lite0 weights on real stamps. What the references make of them is committed (tests/golden/cnn.npz, gen_cnn.py). Argument: the folder with the programs."""
import json, os, shutil, sys, tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story
from story import HERE, SHARED, attempt, check, tool
import cnn_weights

golden = np.load(HERE + "/../golden/cnn.npz")


def encode(manifest, *options):
    rc, _, message = attempt("extract-features", *options, manifest, "-f", "-o", "f.h5")
    if rc:
        raise SystemExit("not ok - %s: %s" % (" ".join(options), message))
    with h5py.File("f.h5") as f:
        return {k: f[k][:] for k in ("image/pooled", "image/patches") if k in f}


def same(name, ours, theirs, limit=1e-4):
    theirs = theirs.reshape(-1, theirs.shape[-1]).astype(np.float64)
    e = float((np.abs(ours.reshape(theirs.shape) - theirs).max(1) / np.abs(theirs).max(1)).max())
    check("%s: largest error of a row %.1e of its largest value, allowed %.0e" % (name, e, limit), e <= limit, e)


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


os.chdir(tempfile.mkdtemp(prefix="itr-cnn."))
tool("fetch-coco", "--synthetic", "6", "--seed", "11", "-o", "scenes")
for name in cnn_weights.MODELS:
    cnn_weights.write(name, "w")
    options = ["--image-encoder", name, "--image-weights", "w"]
    x = encode("scenes/manifest.jsonl", *options)
    same(name, x["image/pooled"], golden[name + "/image"])
    one = encode("scenes/manifest.jsonl", *options, "--threads", "1", "--batch-size", "1")
    check("%s: the same bytes for one thread and batches of one" % name, (one["image/pooled"] == x["image/pooled"]).all())
    if name + "/patches" in golden:
        p = encode("scenes/manifest.jsonl", *options, "--patches")
        same("%s: 7x7 grid, stored as half floats" % name, p["image/patches"][:1].reshape(49, -1)[::8].astype(np.float32), golden[name + "/patches"], 1e-3)
    for precision, limit in (("bf16", 0.999), ("int8", 0.99)):
        c = cosine(encode("scenes/manifest.jsonl", *options, "--precision", precision)["image/pooled"], x["image/pooled"])
        check("%s, %s: least cosine to fp32 %.5f, at least %.3f" % (name, precision, c, limit), c >= limit, c)
    shutil.rmtree("w")

cnn_weights.write("resnet18", "w")
rc, _, message = attempt("extract-features", "--image-encoder", "resnet50", "--image-weights", "w", "scenes/manifest.jsonl", "-f", "-o", "g.h5")
check("ResNet-18's weights are refused for ResNet-50, by shape", rc == 1 and "not the weights of ResNet-50" in message, message)
rc, _, message = attempt("extract-features", "--image-encoder", "mobilenet-v3-small", "--image-weights", "w", "scenes/manifest.jsonl", "-f", "-o", "g.h5")
check("and for MobileNetV3, by name", rc == 1 and "features.0.0.weight" in message, message)

real = SHARED + "/weights/efficientnet_lite0/efficientnet-lite0-57934424.pth"
names = list(golden["real/names"])
if not os.path.exists(real) or not os.path.exists(os.path.join(SHARED, "data/stamps", names[0])):
    print("skip - published EfficientNet-Lite0 weights on stamps (%s is not there)" % real)
    sys.exit(story.verdict())
with open("stamps.jsonl", "w") as f:
    for i, n in enumerate(names):
        f.write(json.dumps(dict(id=i + 1, image=os.path.join(SHARED, "data/stamps", n), captions=[dict(id=i + 1, text="a stamp")], synthetic=False)) + "\n")
drop = ["--alpha", "drop"]                              # as Pillow's convert("RGB"), which the golden file was made with
x = encode("stamps.jsonl", "--image-encoder", "efficientnet-lite0", "--image-weights", real, *drop)
same("published EfficientNet-Lite0 weights, real stamps", x["image/pooled"], golden["real/image"])
for precision, limit in (("bf16", 0.999), ("int8", 0.99)):
    c = cosine(encode("stamps.jsonl", "--image-encoder", "efficientnet-lite0", "--image-weights", real, *drop, "--precision", precision)["image/pooled"], x["image/pooled"])
    check("published weights, %s: least cosine to fp32 %.5f, at least %.3f" % (precision, c, limit), c >= limit, c)
sys.exit(story.verdict())
