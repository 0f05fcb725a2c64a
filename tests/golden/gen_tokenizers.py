#!/usr/bin/env python3
"""Reference ids for lib/text/tokenizer.h from transformers and open_clip, over two small vocabularies made here.

python3 gen_tokenizers.py OPEN_CLIP/tokenizer.py   writes tokenizers.txt, tokenizers_vocab.txt, tokenizers_merges.txt beside itself.
A line: kind, limit, text as hex, ids. A line `every kind sha256`: all code points, alone and as aXb, in blocks of 0x8000: SHA-256 of the ids as little-endian int32."""
import collections
import hashlib
import os
import platform
import struct
import sys
import unicodedata

import regex
import tokenizers
import transformers

import tokenizer_reference as ref

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, MERGES = os.path.join(HERE, "tokenizers_vocab.txt"), os.path.join(HERE, "tokenizers_merges.txt")
TEXT = """a dog runs in the park while the dogs are running . two people standing next to a red bus on the street . a man riding a wave on top of a surfboard .
the cat's toy isn't on the table ; it's under the chair , they're saying . a plate of food with broccoli and 3 carrots . 10 giraffes standing in the grass near trees .
café naïve été istanbul οδος σασ 中文 猫 한국어 שלום مرحبا नमस्ते ½ © … — “ ” endoftext startoftext""".split()


def vocabulary():
    """[PAD] ... and words, then every character of the nasty list that BERT could leave, so that a wrong one shows."""
    chars = sorted({c for t in ref.NASTY + [w.encode() for w in TEXT] for c in unicodedata.normalize("NFD", t.decode("utf-8", "replace").lower()) if unicodedata.category(c)[0] not in "CZ"})
    words = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + sorted(set(TEXT)) + ["##s", "##ing", "##ning", "run", "##oot", "##tan", "xx", "##xx"] + chars + ["##" + c for c in chars]
    tokens = list(dict.fromkeys(words))
    with open(VOCAB, "w", encoding="utf-8") as f:
        f.write("".join(t + "\n" for t in tokens))


def learn_merges(count):
    """Plain byte-pair learning over TEXT: the commonest pair first, ties by spelling."""
    names = ref.byte_names()
    order = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order += [b for b in range(256) if b not in order]
    name = dict(zip(order, names))
    words = collections.Counter()
    for w in TEXT * 2 + ["Ā"]:
        sym = [name[b] for b in w.encode()]
        words[tuple(sym[:-1] + [sym[-1] + "</w>"])] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if best[0] + best[1] in {a + b for a, b in merges}:
            raise SystemExit("a token is made twice")
        merges.append(best)
        joined = collections.Counter()
        for w, n in words.items():
            out, i = [], 0
            while i < len(w):
                two = w[i:i + 2] == best
                out.append(w[i] + w[i + 1] if two else w[i])
                i += 2 if two else 1
            joined[tuple(out)] += n
        words = joined
    with open(MERGES, "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


vocabulary()
learn_merges(400)
kinds = {"bert": ref.bert(VOCAB), "cased": ref.bert(VOCAB, True), "clip": ref.clip(MERGES), "open_clip": ref.OpenClip(MERGES, sys.argv[1])}
texts = ref.NASTY + ref.fuzz(20, 150)
with open(os.path.join(HERE, "tokenizers.txt"), "w") as f:
    f.write(f"# gen_tokenizers.py: transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, regex {regex.__version__}, "
            f"Python {platform.python_version()} (unicodedata {unicodedata.unidata_version}), open_clip's tokenizer.py without ftfy\n")
    for name, k in kinds.items():
        for i, t in enumerate(texts):
            limit = (1 << 20, 2, 7, 20)[i % 4 if i >= len(ref.NASTY) else 0]
            f.write(f"{name} {limit} {t.hex() or '-'} {','.join(map(str, ref.ids(k, [t], limit if limit < 1 << 20 else 1 << 30)[0]))}\n")
    for name, k in kinds.items():
        h = hashlib.sha256()
        for base in range(0, 0x110000, 0x8000):
            for row in ref.ids(k, ref.every_code_point(base, base + 0x8000)):
                h.update(struct.pack(f"<{len(row)}i", *row))
        f.write(f"every {name} {h.hexdigest()}\n")
