"""NumPy and h5py read what lib/io writes, to the byte where they would write the same; lib/io reads what h5py writes. Builds io_sample.c against build/libitr.a."""
import io, os, subprocess, sys, tempfile, zipfile

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import check  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))


def pkg(*names):
    for n in names:
        r = subprocess.run(["pkg-config", "--cflags", "--libs", n], capture_output=True, text=True)
        if r.returncode == 0:
            return r.stdout.split()
    return []


def build(out):
    flags = pkg("hdf5-serial", "hdf5") + pkg("openblas-openmp", "openblas") + pkg("libcjson") + pkg("libzip") + pkg("libcrypto") + pkg("zlib")
    subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-I" + os.path.join(ROOT, "lib"), os.path.join(ROOT, "tests/interop/io_sample.c"),
                    os.path.join(BUILD, "libitr.a"), *flags, "-fopenmp", "-lm", "-o", out], check=True)


WORDS = ["139", "caf\u00e9 \U0001F600", "", "long enough to be the widest"]
TYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()


def saved(a):
    b = io.BytesIO()
    np.save(b, a)
    return b.getvalue()


def npz(top, name):
    path = os.path.join(top, name)
    want = {t: (np.arange(12) % 2).astype(t).reshape(3, 4) for t in TYPES}
    want |= {"a/b/c": np.array([1, 2, 3], "f4"), "scalar": np.array(-5, "i8"), "empty": np.zeros((0, 512), "f4"), "words": np.array(WORDS),
             "itr_provenance": np.array('{"tool":"io_sample"}')}
    with np.load(path) as z, zipfile.ZipFile(path) as raw:
        check(name + ": the same arrays in the same order", list(z) == list(want), list(z))
        bad = [k for k in want if z[k].dtype != want[k].dtype or z[k].shape != want[k].shape or not np.array_equal(z[k], want[k])]
        check(name + ": types, shapes and values", not bad, bad)
        bad = [k for k in want if raw.read(k + ".npy") != saved(want[k])]
        check(name + ": members are byte for byte what numpy.save writes", not bad, bad)
        check(name + ": zipfile finds no damage", raw.testzip() is None)
        check(name + ": times are 1980", all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in raw.infolist()))


def h5(top):
    with h5py.File(os.path.join(top, "features.h5")) as f:
        x = np.array([[1.5, -2, 3.25], [65504, 0.333251953125, 6e-8]], "f4")
        check("h5: root attributes", f.attrs["complete"] == 1 and f.attrs["synthetic"] == 1 and f.attrs["version"] == 1 and
              bytes(f.attrs["format"]).decode() == "itr-features", dict(f.attrs))
        check("h5: float32", f["image/pooled"].dtype == "f4" and np.array_equal(f["image/pooled"][:], x))
        check("h5: half floats are float16", f["image/patches"].dtype == "f2" and np.array_equal(f["image/patches"][:].ravel(), x.astype("f2").ravel()), f["image/patches"].dtype)
        check("h5: int64 beyond 2^53", f["text/image"][1] == 1 << 60)
        check("h5: bool", f["flags"].dtype == bool and f["flags"][:].tolist() == [False, True, True])
        check("h5: strings are UTF-8", [s.decode() for s in f["image/id"][:]] == WORDS and h5py.check_string_dtype(f["image/id"].dtype).encoding == "utf-8")
        check("h5: a text of 3 MB", f["provenance"][()].decode() == "p" * 3000000)
        check("h5: group attributes", bytes(f["image"].attrs["encoder"]).decode() == "classic" and f["image"].attrs["normalized"] == 1)


def h5_back(top, program):
    path = os.path.join(top, "python.h5")
    with h5py.File(path, "w") as f:
        for t in TYPES:
            f["n_" + t] = (np.arange(12) % 2).astype(t).reshape(3, 4)
            if t != "bool":
                f["big_" + t] = (np.arange(12) % 2).astype(np.dtype(t).newbyteorder(">"))
        f.create_dataset("packed", data=np.ones((300, 70), "f4"), chunks=(64, 32), compression="gzip", shuffle=True)
        f["variable"] = WORDS[:2] + ["", "z"]
        f["fixed"] = np.array([b"ab", b"c"])
        f["scalar"] = 2.5
        f["one"] = "a text"
        f["complex"] = np.zeros(3, "c8")
        f["soft"] = h5py.SoftLink("/scalar")
        f["outside"] = h5py.ExternalLink("elsewhere.h5", "/x")
    out = subprocess.run([program, "-", path], capture_output=True, text=True)
    lines = dict(line.split(" ", 1) for line in out.stdout.splitlines())
    bad = [t for t in TYPES if lines.get("n_" + t) != t + " 2 12 6" or (t != "bool" and lines.get("big_" + t) != t + " 1 12 6")]
    check("lib/io reads h5py's numbers", not bad, (bad, out.stderr))
    check("lib/io reads h5py's compressed chunks", lines.get("packed") == "float32 2 21000 21000", lines.get("packed"))
    check("lib/io reads h5py's strings", lines.get("variable") == "text [139] [caf\u00e9 \U0001F600] [] [z]" and lines.get("fixed") == "text [ab] [c]" and
          lines.get("one") == "text [a text]", lines)
    check("lib/io follows soft links within the file", lines.get("soft") == "float64 0 1 2.5", lines.get("soft"))
    check("lib/io refuses what it cannot read", all(lines.get(k) == "refused" for k in ("complex", "outside")), lines)


def main():
    with tempfile.TemporaryDirectory(prefix="itr-io.") as top:
        program = os.path.join(top, "io_sample")
        build(program)
        subprocess.run([program, top], check=True)
        npz(top, "stored.npz")
        npz(top, "deflated.npz")
        with open(os.path.join(top, "one.npy"), "rb") as f:
            check("one.npy is byte for byte what numpy.save writes", f.read() == saved(np.array([[1, 2, 3], [4, 5, 6]], "f4")))
        h5(top)
        h5_back(top, program)
    sys.exit(story.verdict())


main()
