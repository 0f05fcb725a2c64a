#!/usr/bin/env python3
"""Writes cnn.npz: what torchvision and timm make of pictures with the weights of tests/interop/lib/cnn_weights.py, and timm of real stamps with the published EfficientNet-Lite0 weights.
Run by hand: python3 tests/golden/gen_cnn.py SCENES SHARED, where SCENES was made by `fetch-coco --synthetic 6 --seed 11 -o SCENES`; SHARED holds weights/efficientnet_lite0 and data/stamps."""
import glob, json, os, sys

import numpy as np, timm, torch, torchvision, PIL
from PIL import Image
from torchvision.transforms import functional as VF, InterpolationMode
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../interop/lib"))
import cnn_weights as cw

scenes, shared = sys.argv[1:3]
rows = [r for r in map(json.loads, open(scenes + "/manifest.jsonl", encoding="utf-8")) if "id" in r]
pictures = [Image.open(os.path.join(scenes, r["image"])).convert("RGB") for r in rows]
torch.set_grad_enabled(False)
out = dict(versions=np.array(json.dumps(dict(torch=torch.__version__, torchvision=torchvision.__version__, timm=timm.__version__, pillow=PIL.__version__, numpy=np.__version__))))


def prepare(p, filter, mean, std): return VF.normalize(VF.to_tensor(VF.center_crop(VF.resize(p, 256, filter), 224)), mean, std)


def filled(model, name):
    shapes = cw.MODELS[name]()
    own = {k: tuple(v.shape) for k, v in model.state_dict().items() if "num_batches" not in k}
    assert own == shapes, (set(own) ^ set(shapes), [(k, own[k], shapes.get(k)) for k in own if own[k] != shapes.get(k)][:5])
    model.load_state_dict({k: torch.from_numpy(cw.numbers(k, s).copy()) for k, s in shapes.items()}, strict=False)
    return model.eval()


imagenet = torch.stack([prepare(p, InterpolationMode.BILINEAR, [.485, .456, .406], [.229, .224, .225]) for p in pictures])
lite = lambda p: prepare(p, InterpolationMode.BICUBIC, [127 / 255] * 3, [128 / 255] * 3)
for name, make in (("resnet18", torchvision.models.resnet18), ("resnet50", torchvision.models.resnet50), ("mobilenet-v3-small", torchvision.models.mobilenet_v3_small)):
    m = filled(make(weights=None), name)
    f = m.features if hasattr(m, "features") else torch.nn.Sequential(*list(m.children())[:-2])
    y = f(imagenet)
    out[name + "/image"], out[name + "/patches"] = y.mean((2, 3)).numpy(), y[:1].permute(0, 2, 3, 1).reshape(49, -1)[::8].numpy()
m = timm.create_model("tf_efficientnet_lite0")
x = torch.stack([lite(p) for p in pictures])
out["efficientnet-lite0/image"] = filled(m, "efficientnet-lite0").forward_features(x).mean((2, 3)).numpy()
real = torch.load(shared + "/weights/efficientnet_lite0/efficientnet-lite0-57934424.pth", map_location="cpu")
m.load_state_dict(dict(zip(m.state_dict(), real.values())))         # the port lists the same tensors in the same order
files = sorted(glob.glob(shared + "/data/stamps/animals/**/*.jpg", recursive=True) + glob.glob(shared + "/data/stamps/animals/**/*.png", recursive=True))[:12]
out["real/names"] = np.array([os.path.relpath(f, shared + "/data/stamps") for f in files])
out["real/image"] = m.eval().forward_features(torch.stack([lite(Image.open(f).convert("RGB")) for f in files])).mean((2, 3)).numpy()
np.savez_compressed(os.path.join(os.path.dirname(__file__), "cnn.npz"), **out)
for k, v in out.items():
    print(k, v.shape, v if v.dtype.kind == "U" else float(np.abs(v).max()))
