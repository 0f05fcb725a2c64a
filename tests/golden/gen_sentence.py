#!/usr/bin/env python3
"""Writes tests/golden/sentence: a tiny random BERT and Dense layers as files, and cases.json: what sentence-transformers makes of three texts with each set of files around them.
Run by hand: python3 tests/golden/gen_sentence.py"""
import json, os, shutil, tempfile, warnings

import numpy as np, sentence_transformers, torch, transformers
from safetensors.torch import save_file

warnings.simplefilter("ignore")
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sentence")
VOCAB = "[PAD] [UNK] [CLS] [SEP] [MASK] a red dog runs in the park query text : about . two cats ##s ##ing A".split()
TEXTS = ["a red dog runs in the park.", "Two cats", "query about running"]
W = 16
torch.manual_seed(3)
rng = np.random.default_rng(5)
rnd = lambda *s: torch.tensor(rng.standard_normal(s) / s[-1] ** .5, dtype=torch.float32)
os.makedirs(HERE, exist_ok=True)
config = transformers.BertConfig(vocab_size=len(VOCAB), hidden_size=W, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=24, initializer_range=.5)
transformers.BertModel(config, add_pooling_layer=False).save_pretrained(HERE)
open(HERE + "/vocab.txt", "w").write("\n".join(VOCAB) + "\n")
json.dump(dict(do_lower_case=True, tokenizer_class="BertTokenizer", model_max_length=20), open(HERE + "/tokenizer_config.json", "w"))
save_file({"linear.weight": rnd(8, W), "linear.bias": rnd(8)}, HERE + "/dense.safetensors")
save_file({"linear.weight": rnd(8, 2 * W), "linear.bias": rnd(8), "residual.weight": rnd(8, 2 * W)}, HERE + "/wide.safetensors")
torch.save({"linear.weight": rnd(W, W)}, HERE + "/square.bin")
save_file({"norm.weight": rnd(8), "norm.bias": rnd(8)}, HERE + "/norm.safetensors")

MEAN, OLD = {"embedding_dimension": W, "pooling_mode": "mean"}, {"word_embedding_dimension": W}
PROMPTS = {"prompts": {"query": "query: ", "text": "text about "}, "default_prompt_name": "query"}
act = lambda name: "torch.nn.modules.activation." + name
dense = lambda o=8, i=W, **k: dict(in_features=i, out_features=o, bias=True, **k)
BASE = ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json")
cases = []


def case(name, pooling, modules=(), files=None, option=None, at="", **encode):
    """modules: (type, config or None, weights or None). option: what the encoder is given besides the folder."""
    write, link = {}, {f: os.path.join(at, f) for f in BASE}
    listed = [("Transformer", at)] + ([("Pooling", "1_Pooling")] if pooling else [])
    if pooling:
        write["1_Pooling/config.json"] = json.dumps(pooling)
    for i, (kind, settings, weights) in enumerate(modules):
        folder = "%d_%s" % (i + 2, kind)
        listed.append((kind, folder))
        if settings is not None:
            write[folder + "/config.json"] = json.dumps(settings)
        if weights:
            link[weights] = folder + ("/pytorch_model.bin" if weights.endswith(".bin") else "/model.safetensors")
    write["modules.json"] = json.dumps([dict(idx=i, name=str(i), path=p, type="sentence_transformers.models." + t) for i, (t, p) in enumerate(listed)])
    write.update({k: json.dumps(v) for k, v in (files or {}).items()})
    with tempfile.TemporaryDirectory() as top:
        for p, text in write.items():
            os.makedirs(os.path.dirname(os.path.join(top, p)), exist_ok=True)
            open(os.path.join(top, p), "w").write(text)
        for f, p in link.items():
            os.makedirs(os.path.dirname(os.path.join(top, p)), exist_ok=True)
            shutil.copy(os.path.join(HERE, f), os.path.join(top, p))
        for t, p in listed[2 if pooling else 1:]:
            os.makedirs(os.path.join(top, p), exist_ok=True)
        m = sentence_transformers.SentenceTransformer(top, device="cpu")
        y = m.encode(TEXTS, **encode)
    cases.append(dict(name=name, files=write, links=link, option=option or {}, vectors=[[float(np.float32(v)) for v in row] for row in y]))


for mode in ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ["max", "cls"], ["lasttoken", "mean", "weightedmean"]):
    case("pooling_mode %s" % mode, {"embedding_dimension": W, "pooling_mode": mode, "include_prompt": True})
for flags in (["mean_tokens"], ["cls_token"], ["max_tokens"], ["mean_sqrt_len_tokens"], ["weightedmean_tokens"], ["lasttoken"], ["lasttoken", "max_tokens", "cls_token"], []):
    case("flags %s" % " ".join(flags), {**OLD, **{"pooling_mode_" + f: True for f in flags}})
for name in ("Tanh", "ReLU", "GELU", "ReLU6", "Hardswish", "Hardsigmoid"):
    case("Dense, " + name, MEAN, [("Dense", dense(activation_function=act(name)), "dense.safetensors")])
case("Dense, Identity, then Normalize", MEAN, [("Dense", dense(activation_function="torch.nn.modules.linear.Identity"), "dense.safetensors"), ("Normalize", None, None)])
case("Dense without bias in a PyTorch file, default activation, residual", MEAN, [("Dense", dict(in_features=W, out_features=W, bias=False, use_residual=True), "square.bin")])
case("Dense on two poolings, residual matrix, Dropout, LayerNorm", {"embedding_dimension": W, "pooling_mode": ["cls", "mean"]},
     [("Dense", dense(i=2 * W, use_residual=True, activation_function=act("Tanh")), "wide.safetensors"), ("Dropout", {"dropout": .5}, None), ("LayerNorm", {"dimension": 8}, "norm.safetensors")])
case("default prompt", MEAN, files={"config_sentence_transformers.json": PROMPTS})
case("prompt by name", MEAN, files={"config_sentence_transformers.json": PROMPTS}, option={"prompt_name": "text"}, prompt_name="text")
case("prompt as text", MEAN, files={"config_sentence_transformers.json": PROMPTS}, option={"prompt": "two cats "}, prompt="two cats ")
case("empty prompt", MEAN, files={"config_sentence_transformers.json": PROMPTS}, option={"prompt": ""}, prompt="")
for mode in ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ["weightedmean", "cls"]):
    case("prompt not pooled, %s" % mode, {"embedding_dimension": W, "pooling_mode": mode, "include_prompt": False}, files={"config_sentence_transformers.json": PROMPTS})
case("cut at 5", MEAN, files={"sentence_bert_config.json": {"max_seq_length": 5, "do_lower_case": False}})
case("transformer in its own folder", MEAN, at="0_Transformer", files={"0_Transformer/sentence_bert_config.json": {"max_seq_length": 6, "do_lower_case": False}})
case("lower case by the transformer module", MEAN, files={"sentence_bert_config.json": {"max_seq_length": 12, "do_lower_case": True}})
TEXTS.append("a red dog runs in the park . two cats " * 4)            # of this case alone
case("cut where the tokenizer says", MEAN)
json.dump(dict(versions=dict(sentence_transformers=sentence_transformers.__version__, transformers=transformers.__version__, torch=torch.__version__), texts=TEXTS, cases=cases), open(HERE + "/cases.json", "w"), indent=1)
print(len(cases), "cases")
