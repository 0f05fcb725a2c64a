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
a = rnd(6, 9, scale=2); case('quick_gelu', [a], a * torch.sigmoid(1.702 * a)); a = rnd(3, 8); case('reshape', [a], a.reshape(4, 6), index=[4, 6])
a, c = rnd(3, 4), rnd(2, 4); case('stack', [a, c], torch.cat([a, c], 0))
start = [0, 5, 5, 6, 13]
def attend(x, heads, causal):
    out = []
    for b, e in zip(start, start[1:]):
        if e == b: continue
        q, k, v = (p.reshape(e - b, heads, -1).transpose(0, 1)[None] for p in x[b:e].chunk(3, 1))
        out.append(F.scaled_dot_product_attention(q, k, v, is_causal=causal)[0].transpose(0, 1).reshape(e - b, -1))
    return torch.cat(out)
for causal in (0, 1):
    x = rnd(13, 24, scale=1.5); case('attention', [x], attend(x, 2, bool(causal)), [2, causal], start)
x = rnd(13, 5); case('segment_mean', [x], torch.stack([x[b:e].mean(0) if e > b else x[b:e].sum(0) for b, e in zip(start, start[1:])]), index=start)
group = [0, 1, 0, 2, 1, 0]
for m, mode in enumerate(['diagonal', 'mask', 'all']):
    for sym in (0, 1):
        s = rnd(6, 6, scale=3); case('infonce', [s], infonce(s, torch.tensor(group), mode, sym).reshape(1), [m, sym], group)
a, c = rnd(5, 8), rnd(5, 8); case('cosine_loss', [a, c], (1 - F.cosine_similarity(a, c)).mean().reshape(1))
a, c = rnd(5, 8), rnd(5, 8); case('mse', [a, c], F.mse_loss(a, c).reshape(1))
hardsigmoid = lambda x: F.relu6(x + 3) / 6            # torch's own multiplies by 1/6 rounded to float, in double too
nchw = lambda x: x.permute(0, 3, 1, 2)
nhwc = lambda x: x.permute(0, 2, 3, 1).contiguous()
for k, st, pad, dil, grp, c, o, bias in [(1, 1, 0, 1, 1, 3, 5, 1), (3, 1, 1, 1, 1, 3, 4, 0), (3, 2, 1, 1, 1, 4, 3, 1), (5, 2, 2, 1, 6, 6, 6, 0), (3, 1, 1, 1, 5, 5, 5, 1), (3, 1, 2, 2, 2, 4, 6, 1), (7, 2, 3, 1, 1, 3, 2, 0)]:
    x, w = rnd(2, 7, 6, c), rnd(o, c // grp, k, k, scale=.4); b = [rnd(o)] if bias else []
    case('conv2d', [x, w] + b, nhwc(F.conv2d(nchw(x), w, *b, stride=st, padding=pad, dilation=dil, groups=grp)), [st, pad, dil, grp])
for a, f in [(0, lambda z: z), (1, F.relu), (2, F.relu6), (3, F.hardswish), (4, hardsigmoid)]:
    x, g, b = rnd(2, 2, 3, 5, scale=2, shift=.5), rnd(5, shift=1), rnd(5); r = [rnd(2, 2, 3, 5)] if a < 2 else []
    m, v = torch.linspace(-.5, 1, 5), torch.linspace(.5, 2, 5)
    z = F.batch_norm(nchw(x), None, None, g, b, True, 0.1, 1e-3); case('batchnorm', [x, g, b] + r, f(nhwc(z) + (r[0] if r else 0)), [1e-3, 1, a])
    x, g, b = rnd(2, 2, 3, 5, scale=2, shift=.5), rnd(5, shift=1), rnd(5); r = [rnd(2, 2, 3, 5)] if a < 2 else []
    z = F.batch_norm(nchw(x), m.clone(), v.clone(), g, b, False, 0.1, 1e-3); case('batchnorm', [x, g, b] + r, f(nhwc(z) + (r[0] if r else 0)), [1e-3, 0, a])
a = rnd(6, 9, scale=4); case('relu6', [a], F.relu6(a)); a = rnd(6, 9, scale=3); case('hardswish', [a], F.hardswish(a)); a = rnd(6, 9, scale=3); case('hardsigmoid', [a], hardsigmoid(a))
x, s = rnd(2, 3, 2, 5), rnd(2, 5); case('channel_scale', [x, s], x * s[:, None, None, :])
x = rnd(2, 7, 6, 3); case('max_pool', [x], nhwc(F.max_pool2d(nchw(x), 3, 2, 1)), [3, 2, 1]); x = rnd(2, 7, 6, 3); case('avg_pool', [x], nhwc(F.avg_pool2d(nchw(x), 3, 2, 1)), [3, 2, 1])
x = rnd(2, 3, 4, 5); case('global_pool', [x], x.mean((1, 2)))
for start in ([0, 3, 4, 9], [0, 64, 65, 65]):           # torch knows no empty sequence: it is left out there, and has no rows here
    for back in (0, 1):
        H = 2; l = torch.nn.LSTM(4 * H, H, bidirectional=True); sfx = '_l0_reverse' if back else '_l0'; z, w, b = rnd(start[-1], 4 * H), rnd(4 * H, H, scale=.5), rnd(4 * H, scale=.5)
        lens = [q - p for p, q in zip(start, start[1:])]; rows = [z[p:q] for p, q in zip(start, start[1:]) if q > p]
        with torch.no_grad():
            for q in l.parameters(): q.zero_()
        # the gates' input share passes through w_ih = identity; gradients to w_hh and b_hh by functional call
        ps = dict(l.named_parameters()); ps['weight_ih' + sfx] = torch.eye(4 * H); ps['weight_hh' + sfx] = w; ps['bias_hh' + sfx] = b
        packed = torch.nn.utils.rnn.pack_sequence(rows, enforce_sorted=False)
        y, _ = torch.func.functional_call(l, ps, (packed,)); y, n = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        case('lstm', [z, w, b], torch.cat([y[i, :k, H * back:H * back + H] for i, k in enumerate(n.tolist())]), [back], start)
x = rnd(6, 3); case('segment_end', [x], torch.stack([torch.cat([x[1, :2], x[0, 2:]]), torch.zeros(3), torch.cat([x[5, :2], x[2, 2:]])]), [2], [0, 2, 2, 6])
# --- ops that came later: appended, so that the draws above stay ------------------------------------------------------------------------------
a = rnd(5, 7, scale=2); case('tanh', [a], torch.tanh(a))
seg = [(0, 5), (5, 5), (5, 6), (6, 13)]; start = [0, 5, 5, 6, 13]
x = rnd(13, 4); case('segment_weighted', [x], torch.stack([x[b:e].sum(0) / max(e - b, 1) ** .5 for b, e in seg]), [0, 0], start)
x = rnd(13, 4); place = lambda b, e: torch.arange(b + 3, e + 3).double() - b; case('segment_weighted', [x], torch.stack([(x[b:e] * place(b, e)[:, None]).sum(0) / max(place(b, e).sum(), 1) for b, e in seg]), [1, 2], start)
x = rnd(13, 4); case('segment_max', [x], torch.stack([x[b:e].max(0)[0] for b, e in [(0, 5), (5, 6), (6, 13)]]), index=[0, 5, 6, 13])
a, c = rnd(4, 5), rnd(4, 5); case('sub', [a, c], a - c); a = rnd(4, 5); case('exp', [a], torch.exp(a)); a = rnd(4, 5, scale=3); case('sigmoid', [a], torch.sigmoid(a))
a = rnd(4, 5); case('affine', [a], 2.5 * a - .75, [2.5, -.75]); a, s = rnd(4, 5), rnd(1); case('scale_by', [a, s], a * s); a, s = rnd(4, 5), rnd(4); case('row_scale', [a, s], a * s[:, None])
a = rnd(6, 5); case('row_limit', [a], a * torch.clamp(2 / a.norm(dim=1, keepdim=True), max=1), [2]); a, c = rnd(4, 5), rnd(4, 5); case('row_dot', [a, c], (a * c).sum(1))
a = rnd(4, 5); case('mean', [a], a.mean().reshape(1)); a = rnd(6); w = torch.tensor([1, 0, 2, .5, 0, 3]); case('mean', [a], ((a * w).sum() / w.sum()).reshape(1), w.tolist())
a = rnd(4, 9, scale=3); case('log_softmax', [a], F.log_softmax(a, 1)); a = rnd(4, 9); case('slice', [a], a[:, 2:6], [2, 4])
a, c = rnd(4, 5), rnd(4, 5); case('detach', [a, c], a * (a + c).detach() + c); a, c = rnd(4, 5), rnd(4, 5)
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x.clone()
    @staticmethod
    def backward(ctx, g): return -.25 * g
case('grad_scale', [a, c], Reverse.apply(a) * c, [-.25])
for w in (None, [1, 0, 2, .5]):
    p, q = rnd(4, 7, scale=2), rnd(4, 7, scale=2); d = F.kl_div(F.log_softmax(q, 1), F.log_softmax(p, 1), reduction='none', log_target=True).sum(1); v = torch.tensor(w or [1.] * 4)
    case('kl', [p, q], ((d * v).sum() / v.sum()).reshape(1), w)
label = [3, 0, 5, 2]; a = rnd(4, 6, scale=3); case('cross_entropy', [a], F.cross_entropy(a, torch.tensor(label)).reshape(1), [0], label)
out = [1, -1, 2, 4, -1, -1, 0, 5]; hole = torch.zeros(4, 6)
for i, j in enumerate(out): hole[i // 2, j] = float('-inf') if j >= 0 else hole[i // 2, j]
a = rnd(4, 6, scale=3); case('cross_entropy', [a], F.cross_entropy(a + hole, torch.tensor(label)).reshape(1), [2], label + out)
# Scores with their positives and negatives. infonce as above; sigmoid: open_clip's SigLipLoss; hinge: fartashf/vsepp's ContrastiveLoss, and sentence-transformers' BatchHardTripletLoss with cosine_distance (its
# hardest positive and negative of each anchor), as means over lines and directions
def lines(s, own, z, sym): return [(s, own, z)] + ([(s[:, :s.shape[0]].T, s.new_zeros(s.shape[0], 0), z[:, :s.shape[0]].T)] if sym else [])
def loss_of(kind, s, own, bias, z, sym, margin, hardest):
    total = []
    if kind == 'sigmoid_loss': return -(F.logsigmoid(z * (s + bias))[z != 0].sum() + F.logsigmoid(-(own + bias)).sum()) / s.shape[0]
    for x, more, m in lines(s, own, z, sym):
        if kind == 'infonce':
            lp = F.log_softmax(torch.cat([x.masked_fill(m == 0, float('-inf')), more], 1), 1)[:, :x.shape[1]]
            total.append(-(torch.where(m > 0, lp, torch.zeros(())).sum(1) / (m > 0).sum(1)).mean())
        else:
            pos = x.masked_fill(m <= 0, float('inf')).min(1)[0]
            h = F.relu(margin + torch.cat([x.masked_fill(m >= 0, float('-inf')), more], 1) - pos[:, None])
            total.append((h.max(1)[0] if hardest else h.sum(1)).mean())
    return sum(total) / len(total)
group = [0, 1, 0, 2, 1, 0, 2, 3]; same = torch.tensor(group)[:5, None] == torch.tensor(group)[None, :]; out = [2, -1, 4, 0, -1]
for kind in ('infonce', 'sigmoid_loss', 'rank_hinge'):
    for mode, sym, n_own, cut, hardest in ((0, 1, 0, 0, 0), (1, 1, 2, 0, 1), (2, 1, 2, 1, 0), (2, 0, 0, 1, 1), (1, 0, 2, 1, 1)):
        z = torch.where(same, (-1., 0., 1.)[mode], -1.)
        if cut:
            for i, j in enumerate(out): z[i, j] = 0 if j >= 0 else z[i, j]
        z[torch.arange(5), torch.arange(5)] = 1
        s, own, bias = rnd(5, 8, scale=3), rnd(5, n_own, scale=3), rnd(1, shift=-1)
        y = loss_of(kind, s, own, bias, z, sym, 1.5, hardest)
        case(kind + ' of matches', [s] + ([own] if n_own else []) + ([bias] if kind == 'sigmoid_loss' else []), y.reshape(1), [mode, sym, n_own, cut, hardest], group + out)
x, w, b = rnd(2, 3, 4, 5), rnd(5, 3, 4, 4, scale=.4), rnd(3); case('conv_transpose2d', [x, w, b], nhwc(F.conv_transpose2d(nchw(x), w, b, 2, 1)), [2, 1, 0])
x, w = rnd(1, 4, 3, 3), rnd(3, 2, 3, 3, scale=.4); case('conv_transpose2d', [x, w], nhwc(F.conv_transpose2d(nchw(x), w, None, 2, 1, 1)), [2, 1, 1])
qs, kb, ke = [0, 2, 3, 3, 6], [0, 1, 0, 3], [4, 5, 2, 7]; q, kv = rnd(6, 8), rnd(7, 16)
def cross(q, kv, heads):
    out = []
    for s in range(4):
        a, k, v = (p.reshape(p.shape[0], heads, 8 // heads).transpose(0, 1)[None] for p in (q[qs[s]:qs[s + 1]], kv[kb[s]:ke[s], :8], kv[kb[s]:ke[s], 8:]))
        out.append(F.scaled_dot_product_attention(a, k, v)[0].transpose(0, 1).reshape(-1, 8))
    return torch.cat(out)
case('cross_attention', [q, kv], cross(q, kv, 2), [2, 4], qs + kb + ke)
ws, ps = [0, 3, 4, 6], [0, 2, 5]; w, p = rnd(6, 5), rnd(5, 5)
case('token_max', [w, p], torch.stack([torch.stack([(w[a:b] @ p[c:d].T).max(1)[0].mean() for c, d in zip(ps, ps[1:])]) for a, b in zip(ws, ws[1:])]), [3], ws + ps)
a, c = rnd(4, 6), rnd(4, 6); lam = torch.tensor([.25, .5, .75, .375])
def slerp(a, b, l):
    a = F.normalize(a, dim=1); b = F.normalize(torch.cat([b[:3], a[3:].detach() + .01 * b[3:]]), dim=1); theta = torch.acos((a * b).sum(1))        # the last pair is some hundredths apart
    return ((l * theta).sin()[:, None] * a + ((1 - l) * theta).sin()[:, None] * b) / theta.sin()[:, None]
case('slerp', [a, c], slerp(a, c, lam), lam.tolist())
json.dump(dict(torch=torch.__version__, cases=cases), open(os.path.join(os.path.dirname(__file__), 'ops.json'), 'w'))
print(len(cases), 'cases, torch', torch.__version__)
