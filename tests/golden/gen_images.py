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



def segment(code, data):
    return b"\xff" + bytes([code]) + struct.pack(">H", len(data) + 2) + data


def tiff(entries, order=">", at=8, thumbnail=()):
    """EXIF's TIFF block: entries (tag, type, value) of IFD0 at an offset, those of the thumbnail's IFD1 behind it."""
    size = {1: "B3x", 3: "H2x", 4: "I"}
    def ifd(es, following):
        return struct.pack(order + "H", len(es)) + b"".join(struct.pack(order + "HHI" + size[y], t, y, 1, v) for t, y, v in es) + struct.pack(order + "I", following)
    second = at + 2 + 12 * len(entries) + 4
    head = (b"MM" if order == ">" else b"II") + struct.pack(order + "HI", 42, at)
    return head + b"\0" * (at - 8) + ifd(entries, second if thumbnail else 0) + (ifd(thumbnail, 0) if thumbnail else b"")


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


plain = open(path("ycc420.jpg"), "rb").read()        # SOI, JFIF, tables
soi, jfif, rest = plain[:2], plain[2:20], plain[20:]
exif, ns = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
xmp = lambda body: segment(0xE1, ns + b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description ' + body + b"</x:xmpmeta>")
way = lambda o: (0x0112, 3, o)
width = (0x0100, 4, 19)
icc = segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(200))
sof = rest.index(b"\xff\xc0")
split = tiff([width, way(8)], "<", 900)
sos = plain.index(b"\xff\xda")
spectral = sos + 2 + struct.unpack(">H", plain[sos + 2:sos + 4])[0] - 3       # Ss, Se, Ah Al
mp4 = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + bytes(range(256)) * 3
for name, data in {
        # where cameras and programs put the orientation
        "exif_behind_icc": soi + jfif + icc + xmp(b'tiff:Orientation="3">') + segment(0xE1, exif + tiff([width, way(6)])) + rest,
        "exif_before_jfif": soi + segment(0xE1, exif + tiff([way(7)], "<")) + jfif + rest,
        "exif_far_ifd": soi + segment(0xE1, exif + tiff([width, way(5)], "<", 64, [way(8)])) + rest,
        "exif_thumbnail": soi + segment(0xE1, exif + tiff([width], ">", 8, [width, way(6)])) + rest,
        "exif_long": soi + segment(0xE1, exif + tiff([(0x0112, 4, 8)])) + rest,
        "exif_byte": soi + segment(0xE1, exif + tiff([(0x0112, 1, 2)])) + rest,
        "exif_in_two": soi + segment(0xE1, exif + split[:500]) + segment(0xE1, exif + split[500:]) + rest,
        "exif_twice": soi + segment(0xE1, exif + exif + tiff([way(4)])) + rest,
        "exif_late": soi + jfif + rest[:sof] + segment(0xE1, exif + tiff([way(3)])) + rest[sof:],
        "exif_xmp": soi + jfif + xmp(b'tiff:Orientation="6">') + rest,
        "exif_xmp_element": soi + segment(0xE1, exif + tiff([width])) + xmp(b"><tiff:Orientation>8</tiff:Orientation>") + rest,
        "exif_zero": soi + segment(0xE1, exif + tiff([way(0)])) + xmp(b'tiff:Orientation="6">') + rest,
        # whole, whatever libjpeg says: scan parameters as Samsung writes them, bytes behind the end, stray bytes, unknown editions
        "whole_sos_zero": plain[:spectral] + b"\0\0\0" + plain[spectral + 3:],
        "whole_sos_64": plain[:spectral] + b"\0\x40\0" + plain[spectral + 3:],
        "whole_tail_mp4": plain + mp4,
        "whole_tail_zeros": plain + bytes(1000),
        "whole_tail_picture": plain + bytes(100) + plain + b"\xff\xd8\xff",
        "whole_padded_scan": plain[:-2] + bytes(9) + plain[-2:],
        "whole_jfif_9": soi + jfif[:9] + b"\x09\x09" + jfif[11:] + rest,
        "whole_adobe_7": soi + segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 7)) + rest,
        "whole_stray_rst": soi + jfif + b"\1\2\3\xff\xd0" + rest}.items():
    open(path(name + ".jpg"), "wb").write(data)
png = open(path("rgb.png"), "rb").read()
ihdr, idat, iend = png[:33], png[33:-12], png[-12:]
hexed = (exif + tiff([way(6)])).hex()
more = zlib.compress(zlib.decompress(idat[8:-4]) + bytes(300))
gama = png_chunk(b"gAMA", struct.pack(">I", 45455))
for name, data in {
        "exif_behind": ihdr + idat + png_chunk(b"eXIf", tiff([width, way(8)])) + iend,
        "exif_hex": ihdr + png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(f"\nexif\n{len(hexed) // 2:8}\n{hexed[:40]}\n{hexed[40:]}\n".encode())) + idat + iend,
        "exif_xmp": ihdr + png_chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>') + idat + iend,
        "exif_xmp_packed": ihdr + png_chunk(b"iTXt", b'XML:com.adobe.xmp\0\1\0\0\0' + zlib.compress(b'<x tiff:Orientation="7"/>')) + idat + iend,
        "whole_tail": png + bytes(200),
        "whole_more_data": ihdr + png_chunk(b"IDAT", more) + iend,
        "whole_gama": ihdr + gama + gama + idat + iend}.items():
    open(path(name + ".png"), "wb").write(data)

rows = []


def add(name, kind, exif, im):
    rows.append(f"{name} {kind} {exif} {im.width} {im.height} {im.tobytes().hex()}")


for name in sorted(os.listdir(folder)):
    if not name.endswith((".png", ".jpg")) or name == "draft.jpg":        # that one is gen_draft.py's
        continue
    im = Image.open(path(name))
    im.load()
    if name in deep:                  # the rule is >> 8 for every kind; Pillow itself clips I;16 and reads LA;16 and RGBA;16 as we do
        d = deep[name]
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[d.shape[2]]
        im = Image.frombytes(mode, (W, H), d.tobytes())
    if name.startswith(("exif_", "whole_")):
        add(name, "drop", 1, ImageOps.exif_transpose(im).convert("RGB"))
        continue
    add(name, "drop", 0, im.convert("RGB"))
    rgba = im.convert("RGBA")
    add(name, "white", 0, Image.alpha_composite(Image.new("RGBA", im.size, "white"), rgba).convert("RGB"))
    if name.startswith("exif"):
        add(name, "white", 1, ImageOps.exif_transpose(im).convert("RGB"))
with open(table, "w") as f:
    f.write(f"# gen_images.py, Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}\n" + "\n".join(rows) + "\n")
