#!/usr/bin/env python3
"""Writes encoders.npz: what transformers and torchvision make of pictures and captions, with the weights of tests/interop/lib/random_weights.py.
Run by hand: python3 tests/golden/gen_encoders.py SCENES CLIP_MERGES WORDPIECE_VOCAB, where SCENES was made by `fetch-coco --synthetic 6 --seed 11 -o SCENES`,
CLIP_MERGES is bpe_simple_vocab_16e6.txt.gz and WORDPIECE_VOCAB BERT's vocab.txt."""
import gzip, json, os, sys

import numpy as np, torch, torchvision, transformers, PIL
from PIL import Image
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../interop/lib"))
import random_weights as rw

scenes, merges, vocab = sys.argv[1:4]
rows = [r for r in map(json.loads, open(scenes + "/manifest.jsonl", encoding="utf-8")) if "id" in r]
pictures = [Image.open(os.path.join(scenes, r["image"])).convert("RGB") for r in rows]
captions = [c["text"] for r in rows for c in r["captions"]]
torch.set_grad_enabled(False)
out = dict(versions=np.array(json.dumps(dict(torch=torch.__version__, torchvision=torchvision.__version__, transformers=transformers.__version__, pillow=PIL.__version__, numpy=np.__version__))))


def filled(model, spec):
    shapes, _ = rw.MODELS[spec]()
    own = {k: tuple(v.shape) for k, v in model.state_dict().items() if "position_ids" not in k}
    assert own == shapes, (set(own) ^ set(shapes), [k for k in own if own[k] != shapes.get(k)][:5])
    model.load_state_dict({k: torch.from_numpy(rw.numbers(k, s).copy()) for k, s in shapes.items()}, strict=False)
    return model.eval()


def clip_tokenizer():
    lines = gzip.open(merges).read().decode().split("\n")
    pairs = [tuple(m.split()) for m in lines[1:49152 - 256 - 2 + 1]]
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]            # GPT-2's bytes_to_unicode
    base = [chr(b) for b in plain] + [chr(256 + k) for k in range(256 - len(plain))]
    tokens = base + [b + "</w>" for b in base] + ["".join(p) for p in pairs] + ["<|startoftext|>", "<|endoftext|>"]
    folder = os.path.join(scenes, "tokenizer"); os.makedirs(folder, exist_ok=True)
    json.dump({t: i for i, t in enumerate(tokens)}, open(folder + "/vocab.json", "w"))
    open(folder + "/merges.txt", "w").write("#version: 0.2\n" + "\n".join(" ".join(p) for p in pairs) + "\n")
    return transformers.CLIPTokenizerFast(folder + "/vocab.json", folder + "/merges.txt")


for name, patch in (("clip-vit-b32", 32), ("clip-vit-b16", 16)):
    cfg = rw.clip(patch)[1]
    m = filled(transformers.CLIPModel(transformers.CLIPConfig(vision_config=cfg["vision_config"], text_config=cfg["text_config"], projection_dim=512)), name)
    prep = transformers.CLIPImageProcessorPil() if hasattr(transformers, "CLIPImageProcessorPil") else transformers.CLIPImageProcessor(use_fast=False)
    x = prep(images=pictures, return_tensors="pt")["pixel_values"]
    v = m.vision_model(pixel_values=x)
    out[name + "/image"] = m.visual_projection(v.pooler_output).numpy()
    if patch == 32:
        out[name + "/patches"] = v.last_hidden_state[:1, 1:].numpy()
        tok = clip_tokenizer()
        t = tok(captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        y = m.text_model(**t)
        out[name + "/text"] = m.text_projection(y.pooler_output).numpy()
        out[name + "/tokens"] = y.last_hidden_state[:1, :12].numpy()
    del m

cfg = dict(rw.bert()[1]); cfg.pop("model_type")
m = filled(transformers.BertModel(transformers.BertConfig(**cfg), add_pooling_layer=False), "bert")
tok = transformers.BertTokenizerFast(vocab_file=vocab) if "vocab_file" in transformers.BertTokenizerFast.__init__.__code__.co_varnames else transformers.BertTokenizerFast(vocab)
t = tok(captions, padding=True, truncation=True, return_tensors="pt")
h = m(input_ids=t["input_ids"], attention_mask=t["attention_mask"]).last_hidden_state
mask = t["attention_mask"][:, :, None].float()
out["bert/cls"], out["bert/mean"], out["bert/tokens"] = h[:, 0].numpy(), ((h * mask).sum(1) / mask.sum(1)).numpy(), h[:1, :10].numpy()
del m

m = filled(torchvision.models.vit_b_16(weights=None), "vit-b16")
from torchvision.transforms import functional as VF, InterpolationMode
x = torch.stack([VF.normalize(VF.to_tensor(VF.center_crop(VF.resize(p, 256, InterpolationMode.BILINEAR), 224)), [.485, .456, .406], [.229, .224, .225]) for p in pictures])
h = m._process_input(x)
h = m.encoder(torch.cat([m.class_token.expand(len(x), -1, -1), h], 1))
out["vit-b16/image"] = h[:, 0].numpy()
np.savez_compressed(os.path.join(os.path.dirname(__file__), "encoders.npz"), **{k: v.astype(np.float32) if v.dtype == np.float32 else v for k, v in out.items()})
for k, v in out.items():
    print(k, v.shape, v if v.ndim == 0 else float(np.abs(v).max()))
