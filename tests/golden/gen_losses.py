#!/usr/bin/env python3
"""Writes losses.json: values and gradients of lib/loss by PyTorch, in double. Run by hand: python3 tests/golden/gen_losses.py
The losses are these few lines after their sources: open_clip's ClipLoss and SigLipLoss, fartashf/vsepp's ContrastiveLoss (mean instead of sum), sentence-transformers' BatchHardTripletLoss with cosine_distance and
MatryoshkaLoss."""
import json, os, torch, torch.nn.functional as F
torch.manual_seed(11); torch.set_default_dtype(torch.float64)
B, N, E, OWN = 6, 8, 8, 2
GROUP = torch.tensor([0, 1, 0, 2, 1, 3, 2, 4])
def rnd(*s): return torch.randn(*s).float().double().requires_grad_(True)
def matches(positives):
    """1: a positive, -1: a negative, 0: left out."""
    z = torch.where(GROUP[:B, None] == GROUP[None, :], {'diagonal': -1., 'mask': 0., 'all': 1.}[positives], -1.)
    z[torch.arange(B), torch.arange(B)] = 1
    return z
def directions(s, own, z, sym): return [(s, own, z)] + ([(s[:, :B].T, s.new_zeros(B, 0), z[:, :B].T)] if sym else [])
def scores(q, t, own, scale): return scale * F.normalize(q) @ F.normalize(t).T, scale * torch.einsum('be,bke->bk', F.normalize(q), F.normalize(own.reshape(B, OWN, -1), dim=2)) if own is not None else q.new_zeros(B, 0)
def clip(s, own, z, sym):
    out = [-(torch.where(m > 0, F.log_softmax(torch.cat([x.masked_fill(m == 0, float('-inf')), o], 1), 1)[:, :x.shape[1]], torch.zeros(())).sum(1) / (m > 0).sum(1)).mean() for x, o, m in directions(s, own, z, sym)]
    return sum(out) / len(out)
def siglip(s, own, z): return -(F.logsigmoid(z * s)[z != 0].sum() + F.logsigmoid(-own).sum()) / B
def hinge(s, own, z, sym, margin, hardest):
    out = []
    for x, o, m in directions(s, own, z, sym):
        h = F.relu(margin + torch.cat([x.masked_fill(m >= 0, float('-inf')), o], 1) - x.masked_fill(m <= 0, float('inf')).min(1)[0][:, None])
        out.append((h.max(1)[0] if hardest else h.sum(1)).mean())
    return sum(out) / len(out)
cases = []
def case(loss, options, symmetric, with_own, learn_scale, positives, fn):
    q, t, own = rnd(B, E), rnd(N, E), rnd(B * OWN, E) if with_own else None
    log_scale = torch.tensor([1.5]).requires_grad_(True) if learn_scale else None
    arrays = {'logit_bias': torch.tensor([-10.]).requires_grad_(True), 'logit_scale': torch.tensor([10.]).log().float().double().requires_grad_(True)} if loss == 'sigmoid' else {}
    scale = log_scale.exp() if learn_scale else 1 / .07
    v = fn(q, t, own, scale, matches(positives), symmetric, arrays); v.backward()
    flat = lambda x: None if x is None else x.detach().flatten().tolist()
    grad = lambda x: None if x is None else flat(x.grad if x.grad is not None else torch.zeros_like(x))
    cases.append(dict(loss=loss, options=options, symmetric=symmetric, query=flat(q), target=flat(t), own=flat(own), log_scale=flat(log_scale), value=v.item(), grads=[grad(q), grad(t), grad(own), grad(log_scale)],
                      arrays={k: grad(x) for k, x in arrays.items()}))
for sym in (False, True):
    for positives in ('diagonal', 'mask', 'all'):
        case('infonce', {'positives': positives}, sym, sym, positives != 'mask', positives, lambda q, t, o, s, z, sym, a: clip(*scores(q, t, o, s), z, sym))
def sigmoid(q, t, o, s, z, sym, a, own_scale=True):
    x, y = scores(q, t, o, a['logit_scale'].exp() if own_scale else s); return siglip(x + a['logit_bias'], y + a['logit_bias'], z)
case('sigmoid', {}, False, False, False, 'mask', sigmoid)
case('sigmoid', {'positives': 'all'}, False, True, False, 'all', sigmoid)
case('sigmoid', {'positives': 'diagonal'}, True, False, True, 'diagonal', lambda *a: sigmoid(*a, own_scale=False))
case('vsepp', {}, False, False, False, 'mask', lambda q, t, o, s, z, sym, a: hinge(*scores(q, t, o, 1), z, sym, .2, True))
case('vsepp', {'hinge': 0, 'margin': .5}, True, True, False, 'mask', lambda q, t, o, s, z, sym, a: hinge(*scores(q, t, o, 1), z, sym, .5, False))
case('triplet', {}, False, True, False, 'all', lambda q, t, o, s, z, sym, a: hinge(*scores(q, t, o, 1), z, sym, .2, True))
case('triplet', {'margin': .7}, True, False, False, 'all', lambda q, t, o, s, z, sym, a: hinge(*scores(q, t, o, 1), z, sym, .7, True))
def matryoshka(dims, weights): return lambda q, t, o, s, z, sym, a: sum(w * clip(*scores(q[:, :d], t[:, :d], None if o is None else o[:, :d], s), z, sym) for d, w in zip(dims, weights))
case('matryoshka', {}, True, False, False, 'diagonal', matryoshka([8, 4, 2, 1], [1, 1, 1, 1]))
case('matryoshka', {'matryoshka-dims': [6, 3], 'matryoshka-weights': [.5, 2], 'positives': 'mask'}, False, True, True, 'mask', matryoshka([6, 3], [.5, 2]))
case('cosine', {}, False, False, False, 'diagonal', lambda q, t, o, s, z, sym, a: (1 - F.cosine_similarity(q, t[:B])).mean())
case('mse', {}, False, False, False, 'diagonal', lambda q, t, o, s, z, sym, a: F.mse_loss(q, t[:B]))
json.dump(dict(torch=torch.__version__, shape=[B, N, E, OWN], group=GROUP.tolist(), cases=cases), open(os.path.join(os.path.dirname(__file__), 'losses.json'), 'w'))
print(len(cases), 'cases, torch', torch.__version__)
