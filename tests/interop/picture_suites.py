"""lib/image against Pillow on other people's test pictures: PngSuite, those of libpng, libjpeg-turbo and Pillow. ITR_PICTURE_SUITES names a folder that holds them, at any depth
(apt-get source libpng1.6 libjpeg-turbo; pip download pillow --no-binary :all: --no-deps; unpack). Skipped without it.
Every disagreement needs a reason in the table below: a file may be refused by one of the two, and pixels may differ (JPEG by more than 1, PNG at all)."""
import os, re, subprocess, sys, tempfile, warnings
from collections import Counter

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SUITES = os.environ.get("ITR_PICTURE_SUITES", "")

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from story import check, verdict  # noqa: E402

# what differs, which file (pattern of its path), why. "refused": Pillow reads it, we do not; "read": the reverse; "pixels".
REASONS = [
    ("pixels", "mode I;16", "16-bit grey: lib/image takes the high byte, as Pillow itself does for 16-bit RGB, LA and RGBA; Pillow's convert clips grey at 255, which makes nearly all white"),
    ("pixels", r"testpngs/gray-[24]-.*tRNS\.png$", "grey of 2 or 4 bits with a transparent value: Pillow compares the value as stored with samples scaled to 8 bits, so that nothing is transparent"),
    ("refused", r"crashers/badcrc\.png$", "the check sum of the pixel data does not fit; Pillow does not look at it"),
    ("refused", r"crashers/huge_IDAT\.png$", "the pixel chunk says that it is longer than the file, which hence has no end; Pillow stops when it has its pixels"),
    ("refused", r"hopper_bad_exif\.jpg$", "bytes are left over before restart markers: the scan is damaged, and what Pillow shows is noise"),
    ("read", r"crashers/empty_ancillary_chunks\.png$", "empty chunks that say nothing about a pixel"),
    ("read", r"apng/chunk_no_fctl\.png$", "the animation is faulty; the picture is not"),
    ("read", r"png_decompression_dos\.png$", "a text chunk is a bomb; libpng skips it, the picture is whole"),
    ("read", r"unknown_compression_method\.png$", "a colour profile is packed in an unknown way; profiles are not applied"),
]


def build(out):
    libs = []
    for names in (("hdf5-serial", "hdf5"), ("openblas-openmp", "openblas"), ("libcjson",), ("libzip",), ("libcrypto",), ("zlib",), ("libpng",), ("libjpeg",)):
        for name in names:
            r = subprocess.run(["pkg-config", "--libs", name], capture_output=True, text=True)
            if r.returncode == 0:
                libs += r.stdout.split()
                break
    subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-D_GNU_SOURCE", "-O1", *os.environ.get("SUITE_CFLAGS", "").split(), "-I" + os.path.join(ROOT, "lib"),
                    os.path.join(ROOT, "tests/interop/picture_sample.c"), os.path.join(BUILD, "libitr.a"), *libs, "-fopenmp", "-lm", "-o", out], check=True)


class Sample:
    def __init__(self, program):
        self.p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, path, exif, alpha):
        """(pixels or None, whole, message)"""
        self.p.stdin.write(b"%d %s %s\n" % (exif, alpha.encode(), os.fsencode(path)))
        self.p.stdin.flush()
        head = self.p.stdout.readline()
        if not head:
            raise SystemExit("not ok - the decoder ended at %s" % path)
        word, rest = head.split(b" ", 1)
        if word == b"no":
            whole, message = rest.split(b" ", 1)
            return None, whole == b"1", message.decode(errors="replace").strip()
        w, h, count, whole = map(int, rest.split())
        return np.frombuffer(self.p.stdout.read(w * h * 3), np.uint8).reshape(h, w, 3), whole == 1, "%d warnings" % count


def pillow(path, exif, alpha):
    """(pixels or None, mode, message); None and no message for what is neither JPEG nor PNG."""
    from PIL import Image, ImageOps
    Image.MAX_IMAGE_PIXELS = 178956970
    with open(path, "rb") as f:
        head = f.read(8)
    if not head.startswith(b"\xff\xd8\xff") and head != b"\x89PNG\r\n\x1a\n":
        return None, None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as im:
                im.load()
                mode = im.mode
                if exif:
                    im = ImageOps.exif_transpose(im)
                if alpha == "white":
                    im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im.convert("RGBA"))
                return np.asarray(im.convert("RGB")), mode, ""
        except Exception as e:
            return None, None, "%s: %s" % (type(e).__name__, e)


def reason(kind, path, mode):
    for k, pattern, why in REASONS:
        if k == kind and (re.search(pattern, path) if not pattern.startswith("mode ") else mode in pattern.split()[1:]):
            return why


def main():
    if not SUITES:
        print("skip - other people's test pictures (ITR_PICTURE_SUITES names no folder)")
        return 0
    names = sorted(os.path.join(d, f) for d, _, files in os.walk(SUITES) for f in files if re.search(r"\.(png|apng|jpe?g|jfif|mpo|jpe)$", f, re.I) and "\n" not in f)
    seen, used, unexplained = 0, Counter(), []
    with tempfile.TemporaryDirectory() as top:
        build(top + "/sample")
        s = Sample(top + "/sample")
        for path in names:
            for exif, alpha in ((0, "drop"), (1, "white")):
                theirs, mode, message = pillow(path, exif, alpha)
                ours, whole, said = s.read(path, exif, alpha)
                if message is None:
                    continue
                seen += 1
                short = os.path.relpath(path, SUITES)
                if ours is not None and not whole:
                    unexplained.append("%s: decoded, but not whole" % short)
                if (ours is None) != (theirs is None):
                    kind, detail = ("refused", said) if ours is None else ("read", message)
                elif ours is None or (ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs).max() <= (1 if path.lower().endswith(("g", "o", "f", "e")) and not path.lower().endswith("png") else 0)):
                    continue
                else:
                    kind = "pixels"
                    detail = "%s and %s" % (ours.shape, theirs.shape) if ours.shape != theirs.shape else "by up to %d, mode %s" % (np.abs(ours.astype(int) - theirs).max(), mode)
                why = reason(kind, path, mode)
                if why:
                    used[kind, why] += 1
                else:
                    unexplained.append("%s %s (exif %d, %s): %s" % (kind, short, exif, alpha, detail))
    for (kind, why), n in sorted(used.items()):
        print("# %s %d times: %s" % (kind, n, why))
    check("%d readings of %d pictures: as Pillow, or for a reason that is written down" % (seen, len(names)), not unexplained and seen > 100, "\n#   ".join([""] + unexplained))
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
