"""Golden hashes for lib/image/resize.c: Pillow's Image.resize on pseudo-random pictures that the test rebuilds itself.

Needs Pillow 13 or later: it turned the order of the passes round for some tall pictures (python-pillow/Pillow#9549).
One line a case: source width, height, target width, height, filter (0 bilinear, 1 bicubic, 2 box: itr_filter), seed, SHA-256 of the RGB bytes."""
import hashlib
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


with open(sys.argv[1], "w") as f:
    f.write(f"# gen_resize.py, Pillow {PIL.__version__}\n")
    seed = 1
    for w, h, W, H in SIZES:
        for number, filt in enumerate(FILTERS):
            out = picture(w, h, seed).resize((W, H), filt)
            f.write(f"{w} {h} {W} {H} {number} {seed} {hashlib.sha256(out.tobytes()).hexdigest()}\n")
            seed += 1
