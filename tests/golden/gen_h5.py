#!/usr/bin/env python3
"""Writes tests/golden/h5/: HDF5 files as others write them (h5py's lzf, blocks in front of the file as MATLAB 7.3 has, soft links) and such as are refused. Every dataset "x" is
arange(60, float32).reshape(12, 5) modulo 7. Run by hand: python3 tests/golden/gen_h5.py"""
import os, sys
import h5py, numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "h5")
os.makedirs(HERE, exist_ok=True)
x = (np.arange(60, dtype="f4") % 7).reshape(12, 5)
noise = np.random.default_rng(1).standard_normal((12, 5)).astype("f4")


def make(name, f=None, **how):
    with h5py.File(os.path.join(HERE, name), "w", **how) as h:
        f(h) if f else h.create_dataset("x", data=x)


make("lzf.h5", lambda h: h.create_dataset("x", data=x, compression="lzf", chunks=(5, 5)))
make("lzf_shuffle.h5", lambda h: h.create_dataset("x", data=x, compression="lzf", chunks=(12, 2), shuffle=True, fletcher32=True))
make("lzf_large.h5", lambda h: (h.create_dataset("x", data=x, compression="lzf"), h.create_dataset("long", data=np.arange(40000) // 300, compression="lzf"),
                                h.create_dataset("noise", data=noise, compression="lzf")))
for size in (512, 1024, 4096):
    make("userblock_%d.h5" % size, userblock_size=size)
    with open(os.path.join(HERE, "userblock_%d.h5" % size), "r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def links(h):
    h.create_dataset("deep/down/here", data=x)
    h["x"] = h5py.SoftLink("/deep/again")
    h["deep/again"] = h5py.SoftLink("down/here")
    h["folder"] = h5py.SoftLink("/deep/down")
    h["through"] = h5py.SoftLink("folder/here")
    h["nowhere"] = h5py.SoftLink("/deep/missing")
    h["a"] = h5py.SoftLink("/b")
    h["b"] = h5py.SoftLink("/a")
    h["self"] = h5py.SoftLink("self")
    h["grow"] = h5py.SoftLink("/grow/longer/and/longer")
    h["elsewhere"] = h5py.ExternalLink("lzf.h5", "/x")
    h["by/way"] = h5py.SoftLink("/elsewhere")


make("links.h5", links)


def foreign(h):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((12, 5))
    plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 4, 240))
    d = h5py.h5d.create(h.id, b"x", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((12, 5)), plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, x)
    h.create_dataset("big", data=np.where(np.arange(60).reshape(12, 5) == 33, 1e300, 0.5))


make("refused.h5", foreign)
with open(os.path.join(HERE, "VERSIONS"), "w") as f:
    f.write("python %s\nnumpy %s\nh5py %s\nhdf5 %s\n" % (sys.version.split()[0], np.__version__, h5py.__version__, h5py.version.hdf5_version))
