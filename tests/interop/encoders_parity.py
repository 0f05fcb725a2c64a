"""extract-features against transformers and torchvision at true size: the weights are random, made here by name (random_weights.py), and what the references make of them is committed
(tests/golden/encoders.npz, gen_encoders.py). Pictures and captions are the synthetic scenes, the same bytes everywhere. Argument: the folder with the programs."""
import os, shutil, sys, tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story
from story import HERE, SHARED, check, tool
import random_weights

MERGES, VOCAB = SHARED + "/weights/clip/bpe_simple_vocab_16e6.txt.gz", SHARED + "/weights/all-MiniLM-L6-v2/vocab.txt"
golden = np.load(HERE + "/../golden/encoders.npz")


def error(ours, theirs):
    """Largest difference of a row, as a share of the row's largest value."""
    theirs = theirs.reshape(-1, theirs.shape[-1]).astype(np.float64)
    return float((np.abs(ours.reshape(theirs.shape) - theirs).max(1) / np.abs(theirs).max(1)).max())


def cosine(ours, theirs):
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def encode(*options):
    tool("extract-features", *options, "scenes/manifest.jsonl", "-f", "-o", "f.h5")
    with h5py.File("f.h5") as f:
        return {k: f[k][:] for k in ("image/pooled", "text/pooled", "image/patches", "text/tokens") if k in f}


def same(name, ours, theirs, limit=1e-4):
    e = error(ours, theirs)
    check("%s: largest error of a row %.1e of its largest value, allowed %.0e" % (name, e, limit), e <= limit)


os.chdir(tempfile.mkdtemp(prefix="itr-encoders."))
tool("fetch-coco", "--synthetic", "6", "--seed", "11", "-o", "scenes")

random_weights.write("clip-vit-b32", "b32")
texts = os.path.exists(MERGES)
both = ["--image-encoder", "clip-vit-b32", "--weights", "b32"] + (["--text-encoder", "clip-vit-b32", "--vocabulary", MERGES] if texts else [])
sides = [("image/pooled", "CLIP ViT-B/32 images", "clip-vit-b32/image")] + ([("text/pooled", "CLIP texts", "clip-vit-b32/text")] if texts else [])
x, b16, one = encode(*both), encode(*both, "--precision", "bf16"), encode(*both, "--threads", "1", "--batch-size", "1")
for key, name, reference in sides:
    same(name, x[key], golden[reference])
    check("%s in bf16: cosine to fp32 at least .999" % name, cosine(b16[key], x[key]) >= 0.999, cosine(b16[key], x[key]))
    check("%s: the same bytes for one thread and batches of one" % name, (one[key] == x[key]).all())
x = encode(*both, "--patches", *(["--tokens", "--max-tokens", "12"] if texts else []))
same("CLIP patches, stored as half floats", x["image/patches"][:1].astype(np.float32), golden["clip-vit-b32/patches"], 1e-3)
if texts:
    n = golden["clip-vit-b32/tokens"].shape[0]
    used = [int(np.any(t != 0, axis=1).sum()) for t in x["text/tokens"][:n]]
    same("CLIP tokens", np.concatenate([t[:u] for t, u in zip(x["text/tokens"][:n].astype(np.float32), used)]),
         np.concatenate([t[:u] for t, u in zip(golden["clip-vit-b32/tokens"], used)]), 1e-3)
else:
    print("skip - CLIP's and BERT's texts (no %s)" % MERGES)
shutil.rmtree("b32")

random_weights.write("clip-vit-b16", "b16")
same("CLIP ViT-B/16 images", encode("--image-encoder", "clip-vit-b16", "--weights", "b16")["image/pooled"], golden["clip-vit-b16/image"])
shutil.rmtree("b16")

random_weights.write("vit-b16", "vit")
same("torchvision's ViT-B/16", encode("--image-encoder", "vit-b16", "--weights", "vit")["image/pooled"], golden["vit-b16/image"])
shutil.rmtree("vit")

if not os.path.exists(VOCAB):
    sys.exit(story.verdict())
random_weights.write("bert", "bert")
text = ["--text-encoder", "bert", "--weights", "bert", "--vocabulary", VOCAB]
same("BERT base [CLS]", encode(*text)["text/pooled"], golden["bert/cls"])
x = encode(*text, "--pooling", "mean", "--tokens", "--max-tokens", "10")
same("BERT base, mean over tokens", x["text/pooled"], golden["bert/mean"])
same("BERT base, per token", x["text/tokens"][:1].astype(np.float32), golden["bert/tokens"], 1e-3)
sys.exit(story.verdict())
