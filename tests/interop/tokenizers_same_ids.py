"""tokenize gives the ids of transformers and of open_clip: hostile texts, 10,000 fuzzed ones, every code point alone and between letters, the COCO captions."""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/golden"))
import tokenizer_reference as ref  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import BIN, SHARED, check  # noqa: E402

OPEN_CLIP = "open_clip_torch==3.3.0"


def ours(args, texts, top):
    path = os.path.join(top, "texts")
    with open(path, "wb") as f:
        f.write(b"".join(t + b"\n" for t in texts))
    r = subprocess.run([os.path.join(BIN, "tokenize"), *args, path], capture_output=True, check=True)
    return [json.loads(line) for line in r.stdout.splitlines()]


def compare(name, k, args, texts, top, limit=1 << 30):
    want, got = ref.ids(k, texts, limit), ours(args + (["--max-length", str(limit)] if limit < 1 << 30 else []), texts, top)
    wrong = [(t, w, g) for t, w, g in zip(texts, want, got) if w != g]
    check("%s: %d texts" % (name, len(texts)), not wrong and len(want) == len(got), (len(wrong), wrong[:2]))


def open_clip_source(top):
    """open_clip's tokenizer.py out of its wheel: the package itself wants torch."""
    if "open_clip" in os.environ.get("ITR_OPEN_CLIP_TOKENIZER", ""):
        return os.environ["ITR_OPEN_CLIP_TOKENIZER"]
    r = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", top, OPEN_CLIP], capture_output=True)
    wheels = [f for f in os.listdir(top) if f.endswith(".whl")]
    if r.returncode or not wheels:
        return None
    import zipfile
    return zipfile.ZipFile(os.path.join(top, wheels[0])).extract("open_clip/tokenizer.py", top)


def main():
    vocab, merges = (os.path.join(SHARED, "weights", p) for p in ("all-MiniLM-L6-v2/vocab.txt", "clip/bpe_simple_vocab_16e6.txt.gz"))
    if not (os.path.exists(vocab) and os.path.exists(merges)):
        print("skip - the published vocabularies (no %s/weights): the small ones serve" % SHARED)
        vocab, merges = (os.path.join(ROOT, "tests/golden", p) for p in ("tokenizers_vocab.txt", "tokenizers_merges.txt"))
    with tempfile.TemporaryDirectory(prefix="itr-tokens.") as top:
        kinds = [("BERT", ref.bert(vocab), ["-t", "wordpiece:" + vocab]), ("BERT, cased", ref.bert(vocab, True), ["-t", "wordpiece:" + vocab, "--cased"]), ("CLIP", ref.clip(merges), ["-t", "clip-bpe:" + merges])]
        for name, k, args in list(kinds):                                                      # transformers 5 saves nothing but this file
            path = os.path.join(top, name.replace(", ", "-") + ".json")
            k.save(path)
            kinds.append((name + " from tokenizer.json", k, ["-t", args[1].split(":")[0] + ":" + path]))
        source = open_clip_source(top)
        if not source or not importlib.util.find_spec("ftfy"):
            print("skip - open_clip (its package cannot be fetched, or ftfy is not installed)")
        elif unicodedata.unidata_version != "14.0.0":
            print("skip - open_clip (this Python's lower case is Unicode %s, the tables are 14.0.0's)" % unicodedata.unidata_version)
        else:
            kinds.append(("open_clip", ref.OpenClip(merges, source), ["-t", "clip-bpe:" + merges, "--clip-clean", "open_clip"]))
        lines = [t.replace(b"\n", b"\t").replace(b"\r", b"\t") for t in ref.NASTY + ref.fuzz(1, 10000)]           # a line is a text here; newlines in texts are the unit test's
        captions = os.path.join(SHARED, "data/coco5k/captions.txt")
        for name, k, args in kinds:
            compare(name + ", hostile and fuzzed", k, args, lines, top)
            compare(name + ", cut at 9", k, args, lines[:2000], top, 9)
            if name in ("BERT", "CLIP"):                                                       # the unit test has a hash of the other two's
                compare(name + ", every code point", k, args, [t for t in ref.every_code_point(0, 0x110000) if b"\n" not in t and b"\r" not in t], top)
            if os.path.exists(captions):
                compare(name + ", COCO captions", k, args, open(captions, "rb").read().split(b"\n")[:-1], top)
    sys.exit(story.verdict())


main()
