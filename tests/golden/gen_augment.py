"""Pillow's ImageEnhance and crop + resize + mirror of a small picture made by a formula, as hashes: tests/golden/augment.txt, one "NAME sha256" a line. Needs Pillow and numpy."""
import hashlib, os, sys

import numpy as np, PIL
from PIL import Image, ImageEnhance

W, H = 53, 37
y, x, c = np.meshgrid(np.arange(H), np.arange(W), np.arange(3), indexing="ij")
img = Image.fromarray(((x * 7 + y * 13 + c * 91 + x * y * (c + 1)) % 256).astype(np.uint8))
lines = [f"# Pillow {PIL.__version__}, numpy {np.__version__}"]


def put(name, picture):
    lines.append(f"{name} {hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()}")


for k, kind in enumerate((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)):
    for f in (0.0, 0.37, 0.8, 1.0, 1.2, 1.9):
        put(f"enhance {k} {f}", kind(img).enhance(f))
crop = img.crop((11, 4, 11 + 30, 4 + 25)).resize((24, 24), Image.BILINEAR).transpose(Image.FLIP_LEFT_RIGHT)
put("crop 11 4 30 25 flip", crop)
put("crop flip contrast brightness color", ImageEnhance.Color(ImageEnhance.Brightness(ImageEnhance.Contrast(crop).enhance(0.9)).enhance(1.1)).enhance(1.25))
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "augment.txt"), "w").write("\n".join(lines) + "\n")
