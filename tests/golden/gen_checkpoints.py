#!/usr/bin/env python3
"""Writes tests/golden/checkpoints/: what trainings leave beside and around a state_dict (objects that torch.load(weights_only=True) allows, plain Python and NumPy values, prefixes of wrappers, nests,
tensors of types that are not read), and expected.json as tests/golden/gen_weights.py. Run by hand: python3 tests/golden/gen_checkpoints.py"""
import argparse, collections, datetime, json, os, pathlib, sys
import numpy as np, safetensors, safetensors.torch, torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")
os.makedirs(HERE, exist_ok=True)
expected = {}


def at(name): return os.path.join(HERE, name)


def save(name, value, tensors, note="", unread={}, protocol=2):
    """unread: names and types that are listed and not read; tensors come first in the file."""
    for ending, new in (("", True), ("_legacy", False)):
        if not new and protocol != 2:
            continue
        file = name + ending + ".pth"
        torch.save(value, at(file), _use_new_zipfile_serialization=new, pickle_protocol=protocol)
        expect(file, tensors, note, "pytorch zip" if new else "pytorch legacy", unread)


def expect(file, tensors, note, format, unread={}):
    expected[file] = {"note": note, "format": format, "unread": unread, "tensors": [
        {"name": k, "dtype": str(v.dtype).replace("torch.", ""), "shape": list(v.shape), "values": [float(x) for x in v.detach().to(torch.float32).flatten().tolist()]} for k, v in tensors.items()]}


torch.manual_seed(5)
state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
other = {k: torch.zeros_like(v) for k, v in state.items()}
beside = {
    "counter": collections.Counter({20: 1, 40: 2}), "defaultdict": collections.defaultdict(list, {"a": [1]}), "set": {1, 2}, "frozenset": frozenset({"x"}), "device": torch.device("cpu"),
    "complex": 1 + 2j, "bytes": b"\x00\xff", "bytearray": bytearray(b"ab"), "size": torch.Size([2]), "dtype": torch.float16, "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "scalar": np.float64(0.5), "integer": np.int64(7), "array": np.arange(6.0).reshape(2, 3), "numpy dtype": np.dtype("float32"), "path": pathlib.PurePosixPath("/a/b"),
    "time": datetime.datetime(2024, 1, 2), "pause": datetime.timedelta(seconds=3), "slice": slice(1, 2), "range": range(3), "deque": collections.deque([1], 3), "ordered": collections.OrderedDict(a=1)}
save("beside", {**beside, "state_dict": state}, state, "tensors of 'state_dict'")
save("beside4", {**beside, "state_dict": state}, state, "tensors of 'state_dict'", protocol=4)

parameter = torch.nn.Parameter(torch.ones(2))
parameter.tag = "kept"
attribute = torch.full((2,), 3.0)
attribute.tag = {"a": 1}
kinds = {"weight": parameter, "plain": torch.nn.Parameter(torch.zeros(1), requires_grad=False), "with": attribute}
save("parameters_with_state", kinds, kinds)

unread = {"q": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8), "c": torch.ones(2, dtype=torch.complex64), "z": torch.ones(1, dtype=torch.complex128),
          "f8": torch.ones(3).to(torch.float8_e4m3fn)}
save("unread", {**state, **unread}, state, unread={"q": "QInt8Storage", "c": "ComplexFloatStorage", "z": "ComplexDoubleStorage", "f8": "float8_e4m3fn"})
sf = {k: v.contiguous() for k, v in state.items()} | {"f8": unread["f8"], "c": unread["c"]}
safetensors.torch.save_file(sf, at("unread.safetensors"))
with open(at("unread.safetensors"), "rb") as f:
    header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
order = sorted((k for k in header if k in state), key=lambda k: header[k]["data_offsets"])
expect("unread.safetensors", {k: sf[k] for k in order}, "", "safetensors", {"f8": "F8_E4M3", "c": "C64"})

for i, prefix in enumerate(("_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "model.backbone.", "module.encoder_q.", "model._orig_mod.module.")):
    wrapped = {prefix + k: v for k, v in state.items()}
    save("prefix%d" % i, wrapped, state, "tensors without the prefix '%s'" % prefix)
safetensors.torch.save_file({"_orig_mod." + k: v.contiguous() for k, v in state.items() if v.dtype == torch.float32}, at("prefix.safetensors"))
with open(at("prefix.safetensors"), "rb") as f:
    header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
order = [k[len("_orig_mod."):] for k in sorted((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"])]
expect("prefix.safetensors", {k: state[k] for k in order}, "tensors without the prefix '_orig_mod.'", "safetensors")
save("prefix_mixed", {"module.a": state["0.weight"], "b": state["0.bias"]}, {"module.a": state["0.weight"], "b": state["0.bias"]})

for i, (value, note) in enumerate((
        ({"epoch": 1, "model": {"name": "resnet", "depth": 18}, "weights": state}, "tensors of 'weights'"),
        ({"student": other, "teacher": state}, "tensors of 'teacher' (not of 'student')"),
        ({"ema": other, "model": {"state_dict": state}, "epoch": 3}, "tensors of 'model.state_dict' (not of 'ema')"),
        ({"net": {"module." + k: v for k, v in state.items()}}, "tensors of 'net', without the prefix 'module.'"),
        ({"ema": state, "optimizer": {}}, "tensors of 'ema'"))):
    save("nest%d" % i, value, state, note)

with open(at("expected.json"), "w") as f:
    json.dump(expected, f, separators=(",", ":"))
    f.write("\n")
with open(at("VERSIONS"), "w") as f:
    f.write("python %s\nnumpy %s\ntorch %s\nsafetensors %s\n" % (sys.version.split()[0], np.__version__, torch.__version__, safetensors.__version__))
