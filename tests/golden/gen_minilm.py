#!/usr/bin/env python3
"""Writes minilm.npz: all-MiniLM-L6-v2 (real weights) by transformers on 1,000 real COCO captions, mean over tokens. The first 20 vectors whole; of all 1,000 sixteen sums with fixed signs, which
feel every number at a 24th of the size. Run by hand: python3 tests/golden/gen_minilm.py WEIGHTS MANIFEST_OR_KARPATHY_JSON"""
import json, os, sys

import numpy as np, torch, transformers

weights, captions = sys.argv[1:3]
texts = [line.rstrip("\n") for line in open(captions, encoding="utf-8")][:1000]
torch.set_grad_enabled(False)
tok, m = transformers.BertTokenizerFast.from_pretrained(weights), transformers.BertModel.from_pretrained(weights, add_pooling_layer=False).eval()
rows = []
for i in range(0, len(texts), 50):
    t = tok(texts[i:i + 50], padding=True, truncation=True, max_length=256, return_tensors="pt")
    h, mask = m(input_ids=t["input_ids"], attention_mask=t["attention_mask"]).last_hidden_state, t["attention_mask"][:, :, None].float()
    rows.append(((h * mask).sum(1) / mask.sum(1)).numpy())
x = np.concatenate(rows)
signs = np.where(np.random.default_rng(7).random((384, 16)) < 0.5, -1.0, 1.0)
np.savez_compressed(os.path.join(os.path.dirname(__file__), "minilm.npz"), first=x[:20], sums=(x.astype(np.float64) @ signs).astype(np.float32),
                    versions=np.array(json.dumps(dict(torch=torch.__version__, transformers=transformers.__version__))))
print(x.shape, np.abs(x).max())
