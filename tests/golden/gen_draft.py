"""Pillow's Image.draft on the JPEGs of tests/data/images and on one larger picture: what itr_decode_opts.fast_side must give.

usage: gen_draft.py FOLDER TABLE. Writes FOLDER/draft.jpg; TABLE: file, side, width, height, SHA-256 of the RGB bytes. Scaled decoding is libjpeg-turbo's own in both."""
import hashlib
import os
import sys

import numpy as np
import PIL
from PIL import Image, features

folder, table = sys.argv[1:3]
yy, xx = np.mgrid[0:147, 0:203]
rgb = np.stack([128 + 90 * np.sin(xx / 9) * np.cos(yy / 7), (xx * 5 + yy * 3) % 256, 255 * ((xx // 11 + yy // 13) % 2)], -1)
Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)).save(os.path.join(folder, "draft.jpg"), quality=85)
with open(table, "w") as f:
    f.write(f"# gen_draft.py, Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}\n")
    for name in ["draft.jpg", "ycc420.jpg", "ycc444.jpg", "grey.jpg", "progressive.jpg", "restart.jpg", "rgb.jpg"]:
        for side in [1, 3, 5, 7, 8, 18, 19, 36, 37, 73, 74, 147, 148, 1000]:
            im = Image.open(os.path.join(folder, name))
            im.draft(None, (side, side))
            im = im.convert("RGB")
            f.write(f"{name} {side} {im.width} {im.height} {hashlib.sha256(im.tobytes()).hexdigest()}\n")
