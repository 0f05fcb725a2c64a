"""Small pictures of every kind that lib/image decodes, and the RGB pixels that Pillow makes of them.

usage: gen_images.py FOLDER TABLE. TABLE: file, alpha (white|drop), exif (0|1), width, height, RGB bytes in hex, a line each."""
import io
import os
import sys
import struct
import zlib
import PIL
import numpy as np
from PIL import Image, ImageOps, features

folder, table = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(3)
W, H = 19, 14
yy, xx = np.mgrid[0:H, 0:W]
rgb = np.stack([xx * 13 % 256, yy * 18 % 256, (xx * yy * 3) % 256], -1).astype(np.uint8)
smooth = np.stack([100 + xx * 6, 40 + yy * 11, 200 - xx * 3 - yy * 2], -1).astype(np.uint8)
alpha = ((xx * 29 + yy * 37) % 256).astype(np.uint8)
alpha[0, :5], alpha[1, :5] = 0, 255


def path(name):
    return os.path.join(folder, name)


def png16(name, channels, colour_type):
    """Pillow writes no 16-bit RGB(A): chunk by chunk."""
    samples = rng.integers(0, 65536, (H, W, channels)).astype(">u2")
    raw = b"".join(b"\0" + samples[y].tobytes() for y in range(H))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path(name), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, colour_type, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
    return (samples >> 8).astype(np.uint8)


Image.fromarray(rgb).save(path("rgb.png"))
Image.fromarray(np.dstack([rgb, alpha])).save(path("rgba.png"))
Image.fromarray(np.dstack([rgb[..., 0], alpha]), "LA").save(path("la.png"))
Image.fromarray(rgb[..., 0]).save(path("grey.png"))
Image.fromarray(rgb[..., 0] > 90).save(path("bilevel.png"))
p = Image.fromarray(rgb).quantize(13)
p.save(path("palette.png"))
p.save(path("palette4.png"), bits=4)
p.save(path("palette_trns.png"), transparency=bytes([0, 255, 128, 7, 200]))
Image.fromarray(rgb[..., 0]).save(path("grey_trns.png"), transparency=13)
Image.fromarray(rgb).save(path("rgb_trns.png"), transparency=tuple(int(v) for v in rgb[3, 4]))
deep = {"rgb16.png": png16("rgb16.png", 3, 2), "rgba16.png": png16("rgba16.png", 4, 6), "grey16.png": png16("grey16.png", 1, 0), "la16.png": png16("la16.png", 2, 4)}

Image.fromarray(smooth).save(path("ycc420.jpg"), quality=88)
Image.fromarray(smooth).save(path("ycc444.jpg"), quality=95, subsampling=0)
Image.fromarray(smooth).save(path("progressive.jpg"), quality=80, progressive=True)
Image.fromarray(smooth[..., 0]).save(path("grey.jpg"), quality=85)
Image.fromarray(smooth).save(path("restart.jpg"), quality=85, restart_marker_blocks=1)
Image.fromarray(smooth).save(path("rgb.jpg"), quality=90, keep_rgb=True)
Image.fromarray(smooth).convert("CMYK").save(path("cmyk.jpg"), quality=92)
for o in range(1, 9):
    e = Image.Exif()
    e[0x0112] = o
    Image.fromarray(smooth).save(path(f"exif{o}.jpg"), quality=90, exif=e)
e = Image.Exif()
e[0x0112] = 6
Image.fromarray(rgb).save(path("exif6.png"), exif=e)

rows = []


def add(name, kind, exif, im):
    rows.append(f"{name} {kind} {exif} {im.width} {im.height} {im.tobytes().hex()}")


for name in sorted(os.listdir(folder)):
    if not name.endswith((".png", ".jpg")):
        continue
    im = Image.open(path(name))
    im.load()
    if name in deep:                  # the rule is >> 8 for every kind; Pillow itself clips I;16 and reads LA;16 and RGBA;16 as we do
        d = deep[name]
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[d.shape[2]]
        im = Image.frombytes(mode, (W, H), d.tobytes())
    add(name, "drop", 0, im.convert("RGB"))
    rgba = im.convert("RGBA")
    add(name, "white", 0, Image.alpha_composite(Image.new("RGBA", im.size, "white"), rgba).convert("RGB"))
    if name.startswith("exif"):
        add(name, "white", 1, ImageOps.exif_transpose(im).convert("RGB"))
with open(table, "w") as f:
    f.write(f"# gen_images.py, Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}\n" + "\n".join(rows) + "\n")
