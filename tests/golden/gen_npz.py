#!/usr/bin/env python3
"""Writes tests/golden/npz/: arrays of every kind that lib/io reads or refuses, by NumPy itself.
Element k of every numeric array, counted in C order, is k - 3 (k for unsigned, k odd for bool), so the tests need no second file.
Run by hand from the project root; the files are committed. VERSIONS records what wrote them."""
import io, os, sys, zipfile
import numpy as np

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npz")
os.makedirs(out, exist_ok=True)
path = lambda name: os.path.join(out, name)

def ramp(dtype, shape):
    n = int(np.prod(shape)) if shape else 1
    k = np.arange(n)
    d = np.dtype(dtype)
    v = k % 2 == 1 if d.kind == "b" else k if d.kind == "u" else k - 3
    return v.astype(dtype).reshape(shape)

arrays = {}
for t in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 ?".split():
    name = np.dtype(t).name
    arrays[name] = ramp(t, (3, 4))
    arrays["big/" + name] = ramp(">" + t if t != "?" else t, (2, 3))
    arrays["fortran/" + name] = np.asfortranarray(ramp(t, (2, 3, 4)))
arrays["captions/text"] = np.array(["a dog", "caf\u00e9 \U0001F600", "", "x" * 40])
arrays["bytes"] = np.array([b"val2017/1.jpg", b"", b"\xc3\xa9", b"\xff"])
arrays["text_big"] = np.array(["caf\u00e9 \U0001F600", "b"], dtype=">U8")
arrays["text_2d"] = np.asfortranarray(np.array([["a", "b", "c"], ["d", "e", "f"]]))
arrays["scalar"] = np.array(2.5)
arrays["scalar_text"] = np.array("provenance \u2713")
arrays["empty"] = np.zeros((0, 512), "f4")
arrays["empty_text"] = np.array([], dtype="U5")
arrays["vector"] = ramp("f4", (1000,))
np.savez(path("stored.npz"), **arrays)
np.savez_compressed(path("deflated.npz"), **arrays)

# what other writers make: data descriptors (an unseekable stream), no zip64 anywhere, and a comment at the end
with zipfile.ZipFile(path("plain.npz"), "w", zipfile.ZIP_DEFLATED) as z:
    b = io.BytesIO(); np.save(b, ramp("f4", (3, 4))); z.writestr("float32.npy", b.getvalue())
    z.comment = b"a comment"
class Unseekable(io.RawIOBase):
    def __init__(self, f): self.f = f
    def writable(self): return True
    def write(self, b): return self.f.write(b)
with open(path("stream.npz"), "wb") as f, zipfile.ZipFile(Unseekable(f), "w", zipfile.ZIP_DEFLATED) as z:
    with z.open("float32.npy", "w", force_zip64=True) as m: np.save(m, ramp("f4", (3, 4)))

for v in (1, 2, 3):
    with open(path(f"v{v}.npy"), "wb") as f:
        np.lib.format.write_array(f, ramp("f4", (3, 4)), version=(v, 0))
np.save(path("fortran.npy"), np.asfortranarray(ramp("f8", (5, 7))))
with open(path("python2.npy"), "wb") as f:              # NumPy under Python 2 wrote longs
    h = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L), }"
    h += b" " * (-(10 + len(h) + 1) % 16) + b"\n"
    f.write(b"\x93NUMPY\x01\x00" + len(h).to_bytes(2, "little") + h + ramp("f4", (3, 4)).tobytes())

np.savez(path("object.npz"), ok=ramp("f4", (3, 4)), bad=np.array(["a", None, 3], dtype=object))
np.savez(path("refused.npz"), complex=np.zeros(3, "c8"), longdouble=np.zeros(3, "longdouble"), date=np.zeros(3, "M8[s]"), void=np.zeros(3, "V2"),
         struct=np.zeros(3, [("a", "f4"), ("b", "i4")]), rank9=np.zeros((1,) * 9), nul=np.array(["a\0b"]), half=np.array([1.5, 2]))
with open(path("VERSIONS"), "w") as f:
    f.write(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\n")
print(open(path("VERSIONS")).read(), end="")
