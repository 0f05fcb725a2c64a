#!/usr/bin/env python3
"""Writes curves.json: 50 training steps of document 003's models at true size in PyTorch (fp32), from weights and batches that NumPy's generator gives, so that
only the losses need to be stored. Dropout off, but for one model that is run with several seeds: ours draws other masks, so only mean and spread compare.
Also the two heads of document 000 and the cosine schedule. Run by hand: python3 tests/golden/gen_curves.py"""
import json, os, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(2)
I, H, O, B, N, STEPS = 1024, 2048, 1536, 256, 2560, 50
def normal(key, *shape): return np.random.default_rng(key).standard_normal(shape)
def f32(x): return torch.from_numpy(np.ascontiguousarray(x.astype(np.float32)))
def unit(x): return x / np.linalg.norm(x, axis=1, keepdims=True)
lat = normal([5, 0], N, 32); X = f32(unit(lat @ normal([5, 1], 32, I) + 2.0 * normal([5, 2], N, I))); Y = f32(unit(lat @ normal([5, 3], 32, O) + 2.0 * normal([5, 4], N, O)))
def fill(m):     # parameter i of the model, in state_dict order: matrices N(0, 1/in), biases N(0, .01), norms 1 + N(0, .01)
    for i, (k, p) in enumerate(m.state_dict().items()):
        v = normal([9, i], *p.shape)
        p.copy_(f32(v / np.sqrt(p.shape[1]) if p.ndim == 2 else (1.0 + 0.1 * v if 'norm' in k and k.endswith('weight') else 0.1 * v)))
class ResidualMLP(nn.Module):
    def __init__(s):
        super().__init__(); s.projection = nn.Linear(I, O); s.fc1 = nn.Linear(I, H); s.norm1 = nn.LayerNorm(H); s.fc2 = nn.Linear(H, O); s.norm2 = nn.LayerNorm(O)
    def forward(s, x): return F.gelu(s.norm2(s.fc2(F.gelu(s.norm1(s.fc1(x))))) + s.projection(x))
class MLP(nn.Module):
    def __init__(s): super().__init__(); s.fc1 = nn.Linear(I, 512); s.fc2 = nn.Linear(512, O)
    def forward(s, x): return s.fc2(F.gelu(s.fc1(x)))
def run(m, opt, loss):
    fill(m); out = []
    for k in range(STEPS):
        i = k * B % N; o = loss(m(X[i:i + B]), Y[i:i + B]); opt.zero_grad(); o.backward(); opt.step(); out.append(o.item())
    return out
def infonce(p, y): return F.cross_entropy(F.normalize(p, dim=-1) @ F.normalize(y, dim=-1).T / 0.07, torch.arange(len(p)))
def cosine(p, y): return (1 - F.cosine_similarity(p, y)).mean()
r = {}
m = ResidualMLP(); r['residual-mlp infonce adam'] = run(m, torch.optim.Adam(m.parameters(), lr=1e-4), infonce)
m = MLP(); r['mlp cosine adamw'] = run(m, torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.05), cosine)
m = MLP(); r['mlp cosine sgd'] = run(m, torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.001), cosine)
class Heads(nn.Module):
    def __init__(s): super().__init__(); s.text_projection = nn.Linear(I, 256); s.image_projection = nn.Linear(O, 256)
def heads(p, y): c = F.normalize(m.text_projection(p), dim=-1) @ F.normalize(m.image_projection(y), dim=-1).T / 0.07; g = torch.arange(len(c)); return (F.cross_entropy(c, g) + F.cross_entropy(c.T, g)) / 2
m = Heads(); m.forward = lambda x: x; r['heads infonce adamw'] = run(m, torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.01), heads)
class Dropped(MLP):
    def forward(s, x): return s.fc2(F.dropout(F.gelu(s.fc1(x)), 0.5))
drop = []
for seed in range(12): torch.manual_seed(seed); m = Dropped(); drop.append(run(m, torch.optim.Adam(m.parameters(), lr=1e-3), cosine))
o = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-4); s = torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=100); lrs = []
for _ in range(101): lrs.append(o.param_groups[0]['lr']); o.step(); s.step()
json.dump(dict(torch=torch.__version__, numpy=np.__version__, curves=r, cosine_lr=lrs, dropout=dict(mean=np.mean(drop, 0).tolist(), std=np.std(drop, 0, ddof=1).tolist(), seeds=len(drop))), open(os.path.join(os.path.dirname(__file__), 'curves.json'), 'w'))
print({k: (v[0], v[-1]) for k, v in r.items()}, torch.__version__)
