#!/usr/bin/env python3
"""Writes tests/golden/added: two tokenizer.json (WordPiece, CLIP's BPE) with added tokens of every kind, over the small vocabularies beside, and what tokenizers makes of hostile texts with them.
Run by hand: python3 tests/golden/gen_added.py. A line of ids.txt: file, text as hex, ids."""
import json, os, random

import tokenizers, transformers
from tokenizers import AddedToken, Tokenizer

import tokenizer_reference as ref

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "added")
os.makedirs(OUT, exist_ok=True)
bert = Tokenizer.from_str(ref.bert(os.path.join(HERE, "tokenizers_vocab.txt")).to_str())
clip = Tokenizer.from_str(ref.clip(os.path.join(HERE, "tokenizers_merges.txt")).to_str())
TOKENS = [AddedToken("snowcat", normalized=True), AddedToken("SnowDog", normalized=True), AddedToken("[E1]", special=True), AddedToken("<img>", lstrip=True, special=True), AddedToken("<end>", rstrip=True),
          AddedToken("<both>", lstrip=True, rstrip=True, normalized=False), AddedToken("solo", single_word=True), AddedToken("Solo", single_word=True, normalized=False), AddedToken("caf\u00e9", normalized=True),
          AddedToken("\u4e2d\u6587", normalized=False), AddedToken("snow", normalized=False), AddedToken("dog", normalized=True), AddedToken("!!", single_word=True)]
for t in (bert, clip):
    t.add_tokens(TOKENS)
cased = json.loads(bert.to_str())
cased["normalizer"].update(lowercase=False, strip_accents=None, handle_chinese_chars=False)
cased["model"]["max_input_chars_per_word"] = 6
cased["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", bert.token_to_id("[SEP]")], "cls": ["[CLS]", bert.token_to_id("[CLS]")]}
raw = json.loads(bert.to_str())
raw["normalizer"].update(clean_text=False)
plain = json.loads(clip.to_str())
plain["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
for t in plain["added_tokens"]:
    t["normalized"] = True
files = {"bert.json": json.loads(bert.to_str()), "cased.json": cased, "raw.json": raw, "clip.json": json.loads(clip.to_str()), "plain.json": plain}
rng = random.Random(11)
WORDS = ["snowcat", "SNOWCAT", "snowdog", "SnowDog", "[E1]", "[e1]", "<img>", "<IMG>", "<end>", "<both>", "solo", "Solo", "soloist", "a_solo", "\u00e9solo", "solo\u0301", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "\u4e2d\u6587", "\u4e2d",
         "snow", "dog", "Dog", "dogs", "!!", "!!!", " ", "  ", "\t", "\u3000", "\u00a0", "\n", "a", "1", ".", "_", "\u200d", "[CLS]", "<|endoftext|>", "<|ENDOFTEXT|>", "\u00ad", "\x00", "\u2460", "running"]
texts = ["".join(rng.choice(WORDS) + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 9))).encode() for _ in range(150)] + ref.NASTY
with open(OUT + "/ids.txt", "w") as f:
    f.write("# gen_added.py: transformers %s, tokenizers %s\n" % (transformers.__version__, tokenizers.__version__))
    for name, j in files.items():
        json.dump(j, open(os.path.join(OUT, name), "w", encoding="utf-8"), ensure_ascii=False, separators=(",", ":"))
        k = Tokenizer.from_file(os.path.join(OUT, name))
        for t, ids in zip(texts, ref.ids(k, texts)):
            f.write("%s %s %s\n" % (name, t.hex() or "-", ",".join(map(str, ids))))
