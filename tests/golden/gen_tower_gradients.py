"""Whole-model gradients of MobileNetV3-Small + BiLSTM (BatchNorm by the batch) and of ResNet-50 + BERT (running statistics), true size, heads of 256 and symmetric InfoNCE on top,
by PyTorch in double precision: per parameter its gradient's norm, largest magnitude and 16 entries. Weights, pixels and token ids come from names and a hash, so that the C test
(tests/unit/test_train_tower_gradients.c) makes the same. Writes tower_gradients.npz. Needs torch, torchvision, transformers, numpy."""
import os, sys

import numpy as np, torch, torch.nn as nn, torch.nn.functional as F, torchvision, transformers
from transformers import BertConfig, BertModel

U, G = np.uint64, np.uint64(0x9E3779B97F4A7C15)


def mix(x):
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


def uniform(name, n):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = (h ^ c) * 0x100000001B3 & (1 << 64) - 1
    with np.errstate(over="ignore"):
        return ((mix(U(h) + np.arange(n, dtype=U) * G) >> U(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).astype(np.float32)


def values(name, shape):
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        return np.float32(0.5) * u if "embedding" in name else (u * np.float32(np.sqrt(3.0 / np.prod(shape[1:])))).astype(np.float32)
    if name.endswith("running_var"):
        return np.float32(1) + np.float32(0.5) * u
    if name.endswith(".weight"):
        return np.float32(1) + np.float32(0.1) * u
    return np.float32(0.1) * u


class Image(nn.Module):
    def __init__(s, net):
        super().__init__()
        s.net = net

    def forward(s, x):
        if hasattr(s.net, "features"):
            return s.net.features(x).mean((2, 3))
        n = s.net
        x = n.maxpool(n.relu(n.bn1(n.conv1(x))))
        return n.layer4(n.layer3(n.layer2(n.layer1(x)))).mean((2, 3))


class Words(nn.Module):
    def __init__(s):
        super().__init__()
        s.embedding, s.lstm = nn.Embedding(10000, 512), nn.LSTM(512, 256, 2, bidirectional=True, batch_first=True)

    def forward(s, texts):
        n = torch.tensor([len(t) for t in texts])
        x = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        y, _ = nn.utils.rnn.pad_packed_sequence(s.lstm(nn.utils.rnn.pack_padded_sequence(s.embedding(x), n, batch_first=True, enforce_sorted=False))[0], batch_first=True)
        keep = (torch.arange(y.shape[1])[None] < n[:, None]).to(y.dtype)
        return (y * keep[..., None]).sum(1) / n[:, None]


class Bert(nn.Module):
    def __init__(s):
        super().__init__()
        s.bert = BertModel(BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0), add_pooling_layer=False)

    def forward(s, texts):
        x = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        mask = torch.tensor([[1] * len(t) + [0] * (x.shape[1] - len(t)) for t in texts])
        return s.bert(input_ids=x, attention_mask=mask).last_hidden_state[:, 0]


def ours(name):
    """Our name of torch's, and which third of it."""
    for i, k in enumerate(("query", "key", "value")):
        if f"self.{k}." in name:
            return name.replace(f"self.{k}.", "self.qkv."), i
    return name, None


def fill(prefix, module, skip):
    """Sets torch's tensors; {our name: [torch parameters in order]}."""
    groups = {}
    for name, t in list(module.named_parameters()) + list(module.named_buffers()):
        if not t.dtype.is_floating_point or any(k in name for k in skip):
            continue
        our, third = ours(prefix + name)
        shape = tuple(t.shape) if third is None else (3 * t.shape[0], *t.shape[1:])
        v = values(our, shape)
        if third is not None:
            v = v[third * t.shape[0]:(third + 1) * t.shape[0]]
        t.data.copy_(torch.from_numpy(np.ascontiguousarray(v)))
        groups.setdefault(our, []).append(t)
    return groups


def farthest_from_kinks(image, n, side, tries):
    """The pixels' number whose activations' inputs stay farthest from a kink (zero, for hard ones -3 and 3): at a kink float and double take different sides, and a gradient is then not a matter of rounding any more."""
    least = [0]
    def look(m, x):
        least.append(((x[0] if isinstance(m, nn.ReLU) else x[0].abs() - 3).abs().min() / x[0].std()).item())
    hooks = [m.register_forward_pre_hook(look) for m in image.modules() if isinstance(m, (nn.ReLU, nn.Hardswish, nn.Hardsigmoid))]
    best = (-1, 0)
    with torch.no_grad():
        for k in range(tries):
            least.clear()
            image(pixels_of(k, n, side))
            best = max(best, (min(least), k))
    for h in hooks:
        h.remove()
    print("inputs stay", best[0], "from a kink with pixels", best[1], file=sys.stderr)
    return best[1]


def pixels_of(k, n, side):
    return torch.from_numpy(2 * uniform(f"pixels{k}", n * side * side * 3).reshape(n, side, side, 3)).double().permute(0, 3, 1, 2)


def case(key, image, text, image_dim, text_dim, lengths, vocabulary, batch_norm, side, out):
    heads = nn.ModuleDict({"text_projection": nn.Linear(text_dim, 256), "image_projection": nn.Linear(image_dim, 256)})
    groups = {**fill("text_encoder.", text.bert if hasattr(text, "bert") else text, ("pooler", "position_ids")), **fill("image_encoder.", image.net, ("classifier", "fc.")), **fill("", heads, ())}
    for m in (image, text, heads):
        m.double().train()
    if not batch_norm:
        for m in image.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eval()
    n = len(lengths)
    number = farthest_from_kinks(image, n, side, 16)
    pixels = pixels_of(number, n, side)
    ids = (uniform("tokens", sum(lengths)).astype(np.float64) * 0.5 + 0.5) * (vocabulary - 4) + 4
    texts = list(torch.split(torch.from_numpy(ids.astype(np.int64)), lengths))
    i, t = F.normalize(heads["image_projection"](image(pixels)), dim=-1), F.normalize(heads["text_projection"](text(texts)), dim=-1)
    s = t @ i.T / 0.07
    loss = (F.cross_entropy(s, torch.arange(n)) + F.cross_entropy(s.T, torch.arange(n))) / 2
    loss.backward()
    names, numbers = [], []
    for name, ps in sorted(groups.items()):
        if ps[0].grad is None:
            continue
        g = torch.cat([p.grad for p in ps]).flatten()
        at = [k * g.numel() // 16 for k in range(16)]
        names.append(name)
        numbers.append([g.norm().item(), g.abs().max().item(), *g[at].tolist()])
    out[f"{key}/names"], out[f"{key}/numbers"] = np.array(names), np.array(numbers)
    out[f"{key}/loss"], out[f"{key}/lengths"], out[f"{key}/pixels"] = np.array([loss.item()]), np.array(lengths, np.int64), np.array([number, side], np.int64)
    print(key, "loss", loss.item(), "arrays", len(names), file=sys.stderr)


torch.manual_seed(0)
out = {"versions": np.array([f"torch {torch.__version__}, torchvision {torchvision.__version__}, transformers {transformers.__version__}, numpy {np.__version__}"])}
case("mobilenet_lstm", Image(torchvision.models.mobilenet_v3_small(weights=None)), Words(), 576, 512, [5, 1, 64, 12], 10000, True, 64, out)
case("resnet50_bert", Image(torchvision.models.resnet50(weights=None)), Bert(), 2048, 768, [7, 32], 30522, False, 64, out)
np.savez_compressed(os.path.join(os.path.dirname(os.path.abspath(__file__)), "tower_gradients.npz"), **out)
