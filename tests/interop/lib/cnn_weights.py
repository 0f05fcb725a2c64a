"""Convolutional networks' weights of true size under their publishers' names, each tensor's numbers made from its name alone (as random_weights.py), so that the interop test makes with
numpy what the golden file's reference models were filled with (tests/golden/gen_cnn.py). write(model, folder) leaves model.safetensors."""
import zlib

import numpy as np

import random_weights


def numbers(name, shape):
    x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    if name.endswith("running_var"):
        return (0.5 + np.abs(x)).astype(np.float32)
    if len(shape) == 1:
        return (1 + 0.1 * x if name.endswith("weight") else 0.1 * x).astype(np.float32)
    return (x * np.float32(np.sqrt(2 / np.prod(shape[1:])))).astype(np.float32)       # keeps the signal's size from layer to layer


def norm(t, name, n):
    for k in ("weight", "bias", "running_mean", "running_var"):
        t[f"{name}.{k}"] = (n,)


def resnet(depth, bottleneck):
    t = {"conv1.weight": (64, 3, 7, 7)}
    norm(t, "bn1", 64)
    i = 64
    for s, n in enumerate(depth):
        w = 64 << s
        o = w * (4 if bottleneck else 1)
        for b in range(n):
            p = f"layer{s + 1}.{b}."
            shapes = [(w, i, 1), (w, w, 3), (o, w, 1)] if bottleneck else [(w, i, 3), (w, w, 3)]
            for k, (a, c, z) in enumerate(shapes):
                t[f"{p}conv{k + 1}.weight"] = (a, c, z, z)
                norm(t, f"{p}bn{k + 1}", a)
            if b == 0 and (s or i != o):
                t[p + "downsample.0.weight"] = (o, i, 1, 1)
                norm(t, p + "downsample.1", o)
            i = o
    t["fc.weight"], t["fc.bias"] = (1000, i), (1000,)
    return t


def mobilenet_v3_small():
    rows = [(16, 3, 16, 16, 1), (16, 3, 72, 24, 0), (24, 3, 88, 24, 0), (24, 5, 96, 40, 1), (40, 5, 240, 40, 1), (40, 5, 240, 40, 1), (40, 5, 120, 48, 1), (48, 5, 144, 48, 1), (48, 5, 288, 96, 1),
            (96, 5, 576, 96, 1), (96, 5, 576, 96, 1)]
    t = {}

    def conv(p, o, i, k):
        t[p + ".0.weight"] = (o, i, k, k)
        norm(t, p + ".1", o)
    conv("features.0", 16, 3, 3)
    for n, (i, k, w, o, se) in enumerate(rows, 1):
        parts = ([("conv", w, i, 1)] if w != i else []) + [("conv", w, 1, k)] + ([("se",)] if se else []) + [("conv", o, w, 1)]
        for j, part in enumerate(parts):
            p = f"features.{n}.block.{j}"
            if part[0] == "conv":
                conv(p, *part[1:])
            else:
                q = max(8, (w // 4 + 4) // 8 * 8)
                q += 8 if q < 0.9 * (w // 4) else 0
                t.update({p + ".fc1.weight": (q, w, 1, 1), p + ".fc1.bias": (q,), p + ".fc2.weight": (w, q, 1, 1), p + ".fc2.bias": (w,)})
    conv("features.12", 576, 96, 1)
    t.update({"classifier.0.weight": (1024, 576), "classifier.0.bias": (1024,), "classifier.3.weight": (1000, 1024), "classifier.3.bias": (1000,)})
    return t


def efficientnet_lite0():
    """timm's names."""
    t, i = {"conv_stem.weight": (32, 3, 3, 3)}, 32
    norm(t, "bn1", 32)
    for s, (n, k, e, o) in enumerate([(1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80), (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)]):
        for b in range(n):
            p, w = f"blocks.{s}.{b}.", i * e
            for j, (name, shape) in enumerate(([("conv_pw", (w, i, 1, 1))] if e > 1 else []) + [("conv_dw", (w, 1, k, k)), ("conv_pwl" if e > 1 else "conv_pw", (o, w, 1, 1))]):
                t[f"{p}{name}.weight"] = shape
                norm(t, f"{p}bn{j + 1}", shape[0])
            i = o
    t["conv_head.weight"] = (1280, 320, 1, 1)
    norm(t, "bn2", 1280)
    t["classifier.weight"], t["classifier.bias"] = (1000, 1280), (1000,)
    return t


MODELS = {"resnet18": lambda: resnet((2, 2, 2, 2), False), "resnet50": lambda: resnet((3, 4, 6, 3), True), "mobilenet-v3-small": mobilenet_v3_small, "efficientnet-lite0": efficientnet_lite0}


def write(model, folder):
    random_weights.write_tensors(MODELS[model](), numbers, folder)
