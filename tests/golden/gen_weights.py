#!/usr/bin/env python3
"""Writes tests/golden/weights/: small weight files as PyTorch and safetensors write them, files that want to run something, and expected.json with what the good ones
hold. Run by hand: python3 tests/golden/gen_weights.py"""
import collections, io, json, os, pickle, struct, sys, zipfile
import numpy as np, safetensors, safetensors.torch, torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")
os.makedirs(HERE, exist_ok=True)
expected = {}


def at(name): return os.path.join(HERE, name)


def expect(name, tensors, note="", format=""):
    """Values as the float32 that they convert to, shortest digits (exact)."""
    expected[name] = {"note": note, "format": format, "tensors": [
        {"name": k, "dtype": str(v.dtype).replace("torch.", ""), "shape": list(v.shape),
         "values": [float(x) for x in v.detach().to(torch.float32).contiguous().flatten().tolist()]} for k, v in tensors.items()]}


g = torch.Generator().manual_seed(7)
base = torch.randn(6, 8, generator=g)
shared = torch.randn(40, generator=g)
every = collections.OrderedDict(
    f32=torch.randn(3, 4, generator=g), f64=torch.randn(5, generator=g, dtype=torch.float64), f16=torch.randn(2, 3, generator=g).half(),
    bf16=torch.randn(7, generator=g).bfloat16(), i64=torch.tensor([-3, 0, 16777217, 4]), i32=torch.tensor([[1, -2], [3, 4]], dtype=torch.int32),
    i16=torch.tensor([-32768, 32767], dtype=torch.int16), i8=torch.tensor([-128, 127], dtype=torch.int8), u8=torch.tensor([0, 255], dtype=torch.uint8),
    bool=torch.tensor([True, False, True]), scalar=torch.tensor(2.6592), empty=torch.zeros(0, 5), image=torch.randn(2, 3, 2, 2, generator=g))
views = collections.OrderedDict(
    whole=base, transposed=base.t(), slice=base[1:4, 2:7], column=base[:, 3], step=base[::2, ::3], expanded=torch.tensor([[1.5], [2.5]]).expand(2, 4),
    first=shared[:12].view(3, 4), second=shared[12:], nhwc=torch.randn(2, 3, 2, 2, generator=g).contiguous(memory_format=torch.channels_last))
unsigned = {"u16": torch.tensor([0, 65535], dtype=torch.uint16), "u32": torch.tensor([1, 4294967040], dtype=torch.uint32), "u64": torch.tensor([5, 6], dtype=torch.uint64)}


def both(name, value, tensors, note=""):
    torch.save(value, at(name + ".pth"))
    torch.save(value, at(name + "_legacy.pth"), _use_new_zipfile_serialization=False)
    expect(name + ".pth", tensors, note, "pytorch zip")
    expect(name + "_legacy.pth", tensors, note, "pytorch legacy")


both("every", every, every)
both("views", views, views)
torch.save(unsigned, at("unsigned.pth"))
expect("unsigned.pth", unsigned, "", "pytorch zip")
torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
both("module", model.state_dict(), model.state_dict())                              # OrderedDict with _metadata
both("parameters", dict(model.named_parameters()), dict(model.named_parameters()))
checkpoint = {"epoch": 3, "lr": 1e-4, "big": 1 << 80, "minus": -(1 << 33), "name": "caf\u00e9", "none": None, "shape": torch.Size([2, 3]), "dtype": torch.float16, "flags": [True, (1, 2.5)],
              "state_dict": {"module." + k: v for k, v in model.state_dict().items()}, "optimizer": torch.optim.AdamW(model.parameters()).state_dict()}
both("checkpoint", checkpoint, model.state_dict(), "tensors of 'state_dict', without the prefix 'module.'")
torch.save(model.state_dict(), at("protocol4.pth"), pickle_protocol=4)
expect("protocol4.pth", model.state_dict(), "", "pytorch zip")
with zipfile.ZipFile(at("every.pth")) as z, zipfile.ZipFile(at("deflated.pth"), "w", zipfile.ZIP_DEFLATED) as out:
    for i in z.infolist():
        out.writestr(zipfile.ZipInfo(i.filename), z.read(i), zipfile.ZIP_DEFLATED)
expect("deflated.pth", every, "", "pytorch zip")

tensors = {k: v.contiguous() for k, v in every.items()} | unsigned
safetensors.torch.save_file(tensors, at("every.safetensors"), {"format": "pt"})
with open(at("every.safetensors"), "rb") as f:                                      # the writer's own order
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
header.pop("__metadata__")
order = sorted(header, key=lambda k: header[k]["data_offsets"])
expect("every.safetensors", {k: tensors[k] for k in order}, "", "safetensors")

state = model.state_dict()
names = list(state)
for ending, save in ((".safetensors", safetensors.torch.save_file), (".bin", torch.save)):
    folder = at("shards" + ending.replace(".", "_"))
    os.makedirs(folder, exist_ok=True)
    stem = "model" if ending == ".safetensors" else "pytorch_model"
    weight_map = {}
    for i, part in enumerate((names[:3], names[3:])):
        shard = "%s-%05d-of-00002%s" % (stem, i + 1, ending)
        save({k: state[k] for k in part}, os.path.join(folder, shard))
        weight_map |= {k: shard for k in part}
    with open(os.path.join(folder, stem + ending + ".index.json"), "w") as f:
        json.dump({"metadata": {"total_size": 0}, "weight_map": weight_map}, f, indent=1)


# --- files that want to run something: the good file's pickle with a call in it ----------------------------------------------------------------
class Call:
    def __init__(self, f, *args): self.f, self.args = f, args
    def __reduce__(self): return self.f, self.args


wishes = {"os_system": Call(os.system, "touch PWNED"), "eval": Call(eval, "open('PWNED', 'w')"), "getattr": Call(getattr, Call(__import__, "os"), "system")}
for name, wish in wishes.items():
    value = {"weight": base, "nested": [1, ({"deeper": [wish]},)]}
    torch.save(value, at("wants_%s.pth" % name))
    torch.save(value, at("wants_%s_legacy.pth" % name), _use_new_zipfile_serialization=False)
for protocol in (0, 1, 2, 4):
    with open(at("wants_raw%d.bin" % protocol), "wb") as f:
        pickle.dump(wishes["os_system"], f, protocol)
with open(at("wants_inst.bin"), "wb") as f:
    f.write(b"(S'touch PWNED'\nios\nsystem\n.")
torch.save(torch.nn.Linear(2, 2), at("wants_module.pth"))                           # a whole module, not a state_dict

with open(at("expected.json"), "w") as f:
    json.dump(expected, f, separators=(",", ":"))
    f.write("\n")
with open(at("VERSIONS"), "w") as f:
    f.write("python %s\nnumpy %s\ntorch %s\nsafetensors %s\n" % (sys.version.split()[0], np.__version__, torch.__version__, safetensors.__version__))
