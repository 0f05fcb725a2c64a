"""usage: gen_resize.py TABLE [STAMPS_FOLDER STAMPS_TABLE]. Golden hashes for lib/image/resize.c: Pillow's Image.resize on pseudo-random pictures that the test rebuilds itself.

Needs Pillow 13 or later: it turned the order of the passes round for some tall pictures (python-pillow/Pillow#9549).
One line a case: source width, height, target width, height, filter (0 bilinear, 1 bicubic, 2 box: itr_filter), seed, SHA-256 of the RGB bytes: SIZES first, then
500 random ones. The second table does the same to real photographs (the Tux Paint stamps; alpha over white): file, target width, height, filter, SHA-256."""
import hashlib
import os
import random
import sys
import PIL
from PIL import Image

FILTERS = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX]
SIZES = [(64, 48, 32, 24), (64, 48, 20, 33), (37, 53, 224, 224), (224, 224, 7, 7), (100, 1, 50, 1), (1, 100, 1, 31), (5, 7, 1, 1), (1, 1, 9, 5), (33, 17, 33, 9),
         (33, 17, 12, 17), (33, 17, 33, 17), (640, 480, 298, 224), (321, 500, 224, 349), (90, 61, 256, 100), (17, 300, 40, 20), (500, 3, 11, 96),
         (20, 100, 10, 80), (20, 101, 10, 80), (426, 640, 224, 224), (300, 90, 310, 80), (36, 80, 18, 42), (52, 103, 40, 80)]


def picture(width, height, seed):
    out, x = bytearray(width * height * 3), seed
    for i in range(len(out)):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        # every third picture is black and white: overshoot of the cubic must clip
        out[i] = (255 if x >> 31 else 0) if seed % 3 == 0 else x >> 24
    return Image.frombytes("RGB", (width, height), bytes(out))


def random_sizes(n):
    """Skewed to small pictures, so that the test is quick; every tenth is thin, every tenth keeps a side."""
    r = random.Random(20261121)
    def side(most):
        return max(1, int(most ** r.random()))
    for i in range(n):
        w, h, W, H = side(700), side(700), side(500), side(500)
        if i % 10 == 0:
            w, W = r.randint(1, 5), r.randint(1, 5)
        if i % 10 == 1:
            W, H = (w, H) if r.random() < 0.5 else (W, h)
        yield w, h, W, H, r.randrange(3)


def digest(im, size, number):
    return hashlib.sha256(im.resize(size, FILTERS[number]).tobytes()).hexdigest()


with open(sys.argv[1], "w") as f:
    f.write(f"# gen_resize.py, Pillow {PIL.__version__}\n")
    seed = 1
    for w, h, W, H in SIZES:
        for number in range(len(FILTERS)):
            f.write(f"{w} {h} {W} {H} {number} {seed} {digest(picture(w, h, seed), (W, H), number)}\n")
            seed += 1
    for w, h, W, H, number in random_sizes(500):
        f.write(f"{w} {h} {W} {H} {number} {seed} {digest(picture(w, h, seed), (W, H), number)}\n")
        seed += 1

if len(sys.argv) > 3:
    names = sorted(os.path.relpath(os.path.join(d, n), sys.argv[2]) for d, _, ns in os.walk(sys.argv[2]) for n in ns if n.endswith(".png"))
    r = random.Random(7)
    with open(sys.argv[3], "w") as f:
        f.write(f"# gen_resize.py, Pillow {PIL.__version__}\n")
        for name in r.sample(names, 100):
            im = Image.open(os.path.join(sys.argv[2], name)).convert("RGBA")
            im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
            number = r.randrange(2)
            s = 224 / min(im.size)
            W, H = (224, 224) if r.random() < 0.3 else (max(224, int(im.width * s)), max(224, int(im.height * s)))
            f.write(f"{name} {W} {H} {number} {digest(im, (W, H), number)}\n")
