#!/usr/bin/env python3
"""Writes ops.json: inputs, outputs and gradients of every op and loss by PyTorch, in double. Run by hand: python3 tests/golden/gen_ops.py"""
import json, os, torch, torch.nn.functional as F
torch.manual_seed(3); torch.set_default_dtype(torch.float64)
def rnd(*s, scale=1.0, shift=0.0): return (torch.randn(*s) * scale + shift).float().double().requires_grad_(True)
def infonce(s, group, mode, sym):
    def one(s):
        n = s.shape[1]; same = group[:s.shape[0], None] == group[None, :n]; eye = torch.eye(s.shape[0], n, dtype=torch.bool)
        if mode == 'mask': s = s.masked_fill(same & ~eye, float('-inf'))
        lp = F.log_softmax(s, 1)
        pos = same if mode == 'all' else eye
        return -(torch.where(pos, lp, torch.zeros(())).sum(1) / pos.sum(1)).mean()
    return (one(s) + one(s.T)) / 2 if sym else one(s)
cases = []
def case(op, inputs, y, attr=None, index=None):
    w = torch.randn(y.shape).float().double(); (y * w).sum().backward()
    cases.append(dict(op=op, attr=attr or [], index=index or [], inputs=[dict(shape=list(x.shape), data=x.detach().flatten().tolist(), grad=x.grad.flatten().tolist()) for x in inputs],
                      weight=w.flatten().tolist(), shape=list(y.shape), output=y.detach().flatten().tolist()))
x, w, b = rnd(5, 7), rnd(6, 7), rnd(6); case('linear', [x, w, b], F.linear(x, w, b))
a, c = rnd(4, 5), rnd(4, 5); case('add', [a, c], a + c); a, c = rnd(4, 5), rnd(4, 5); case('mul', [a, c], a * c)
a = rnd(4, 5); case('scale', [a], a * 2.5, [2.5])
a = rnd(6, 9); case('relu', [a], F.relu(a)); a = rnd(6, 9, scale=2); case('gelu', [a], F.gelu(a))
x, g, b = rnd(4, 11, shift=1), rnd(11, shift=1), rnd(11); case('layernorm', [x, g, b], F.layer_norm(x, (11,), g, b, 1e-5), [1e-5])
x = rnd(4, 9, scale=3); case('softmax', [x], F.softmax(x, -1)); x = rnd(4, 9); case('l2norm', [x], F.normalize(x, dim=-1))
t, idx = rnd(6, 4), [3, 0, 3, 5]; case('gather', [t], F.embedding(torch.tensor(idx), t), index=idx)
a, c = rnd(3, 4), rnd(3, 2); case('concat', [a, c], torch.cat([a, c], -1))
a, c, s = rnd(4, 6), rnd(5, 6), rnd(1); case('scores', [a, c, s], torch.exp(torch.clamp(s, max=4.605170185988092)) * a @ c.T)
group = [0, 1, 0, 2, 1, 0]
for m, mode in enumerate(['diagonal', 'mask', 'all']):
    for sym in (0, 1):
        s = rnd(6, 6, scale=3); case('infonce', [s], infonce(s, torch.tensor(group), mode, sym).reshape(1), [m, sym], group)
a, c = rnd(5, 8), rnd(5, 8); case('cosine_loss', [a, c], (1 - F.cosine_similarity(a, c)).mean().reshape(1))
a, c = rnd(5, 8), rnd(5, 8); case('mse', [a, c], F.mse_loss(a, c).reshape(1))
json.dump(dict(torch=torch.__version__, cases=cases), open(os.path.join(os.path.dirname(__file__), 'ops.json'), 'w'))
print(len(cases), 'cases, torch', torch.__version__)
