"""Golden hashes for lib/image/preset.c: every preset through the library that it names (transformers' Pillow image processors, torchvision, timm), and Pillow itself for the recipes.

usage: gen_presets.py TABLE. One line a case: preset, width, height, seed (the picture of gen_resize.py), SHA-256 of the (224, 224, 3) float32 little-endian values."""
import hashlib
import sys

import numpy as np
import PIL
import timm
import torch
import torchvision
import torchvision.transforms as T
import transformers
from PIL import Image
from timm.data import create_transform
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

SIZES = [(640, 480), (480, 640), (333, 500), (500, 334), (301, 225), (225, 227), (226, 1001), (224, 224), (230, 224), (57, 90), (3, 2), (1, 1), (1, 4), (5, 1), (1500, 1100)]
CLIP = timm.data.constants.OPENAI_CLIP_MEAN, timm.data.constants.OPENAI_CLIP_STD
IMAGENET = timm.data.constants.IMAGENET_DEFAULT_MEAN, timm.data.constants.IMAGENET_DEFAULT_STD
HALF = (0.5,) * 3, (0.5,) * 3
LITE = (127 / 255,) * 3, (128 / 255,) * 3
BILINEAR, BICUBIC = T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC


def picture(width, height, seed):
    """The generator of gen_resize.py: x = x * 1664525 + 1013904223 mod 2^32, the top byte."""
    out, x = bytearray(width * height * 3), seed
    for i in range(len(out)):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (255 if x >> 31 else 0) if seed % 3 == 0 else x >> 24
    return Image.frombytes("RGB", (width, height), bytes(out))


def tv(resize, filt, stats, crop=224):
    steps = ([T.Resize(resize, filt)] if resize else []) + [T.CenterCrop(crop), T.ToTensor(), T.Normalize(*stats)]
    f = T.Compose(steps)
    return lambda im: f(im).permute(1, 2, 0).numpy()


def hf(processor):
    def run(im):
        x = processor(images=[np.asarray(im)], return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
        return np.asarray(x).transpose(1, 2, 0)
    return run


def timm_eval(crop_pct, stats):
    f = create_transform((3, 224, 224), is_training=False, interpolation="bicubic", mean=stats[0], std=stats[1], crop_pct=crop_pct)
    return lambda im: f(im).permute(1, 2, 0).numpy()


def rounded(im):
    w, h = im.size
    s = 224 / min(w, h)
    im = im.resize((max(224, round(w * s)), max(224, round(h * s))), Image.Resampling.BICUBIC)
    w, h = im.size
    left, top = (w - 224) // 2, (h - 224) // 2
    return T.Compose([T.ToTensor(), T.Normalize(*CLIP)])(im.crop((left, top, left + 224, top + 224))).permute(1, 2, 0).numpy()


def torchvision_weights(name):
    """The published weights' own transform; it resizes a PIL image with Pillow."""
    f = torchvision.models.get_weight(name).transforms()
    return lambda im: f(im).permute(1, 2, 0).numpy()


PRESETS = {
    "clip": hf(CLIPImageProcessorPil()),
    "clip-openai": tv(224, BICUBIC, CLIP),
    "clip-round": rounded,
    "clip-squash": tv((224, 224), BICUBIC, CLIP),
    "imagenet": torchvision_weights("ResNet50_Weights.IMAGENET1K_V1"),
    "imagenet-232": torchvision_weights("ResNet50_Weights.IMAGENET1K_V2"),
    "imagenet-bicubic": timm_eval(0.875, IMAGENET),
    "imagenet-95": timm_eval(0.95, IMAGENET),
    "imagenet-224": tv((224, 224), BILINEAR, IMAGENET),
    "efficientnet-lite0": tv(256, BICUBIC, LITE),
    "vit": hf(ViTImageProcessorPil()),
    "vit-timm": timm_eval(0.9, HALF),
    "none-224": tv(None, None, IMAGENET),
}

if __name__ == "__main__":
    pictures = [(w, h, seed, picture(w, h, seed)) for seed, (w, h) in enumerate(SIZES, 1)]
    with open(sys.argv[1], "w") as f:
        f.write(f"# gen_presets.py, Pillow {PIL.__version__}, transformers {transformers.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, torch {torch.__version__}\n")
        for name, run in PRESETS.items():
            for w, h, seed, im in pictures:
                if name == "none-224" and min(w, h) < 224:
                    continue
                x = np.ascontiguousarray(run(im), "<f4")
                assert x.shape == (224, 224, 3), (name, x.shape)
                f.write(f"{name} {w} {h} {seed} {hashlib.sha256(x.tobytes()).hexdigest()}\n")
