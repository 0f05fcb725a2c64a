"""Weight files against PyTorch and safetensors: 60 random state_dicts of all types and views, saved in every way that torch.save has had since 0.4, and the real files of
../shared/weights. Names, types, shapes and every value must be equal. Builds weights_sample.c against build/libitr.a."""
import os, random, subprocess, sys, tempfile

try:
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as e:
    print("skip - weights against PyTorch (%s)" % e)
    sys.exit(0)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import story  # noqa: E402
from story import SHARED, check  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def build(out):
    flags = [f for n in ("libcjson", "libzip", "libcrypto", "zlib") for f in subprocess.run(["pkg-config", "--cflags", "--libs", n], capture_output=True, text=True).stdout.split()]
    subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-I" + os.path.join(ROOT, "lib"), os.path.join(ROOT, "tests/interop/weights_sample.c"),
                    os.path.join(BUILD, "libitr.a"), *flags, "-fopenmp", "-lm", "-o", out], check=True)


def ours(sample, paths):
    """A dict a file: name -> (dtype, float32 tensor); or the message."""
    data, at, out = subprocess.run([sample, *paths], capture_output=True, check=True).stdout, 0, [{} for _ in paths]
    while at < len(data):
        end = data.index(b"\n", at)
        fields, at = data[at:end].decode().split("\t"), end + 1
        if fields[1] == "error":
            out[int(fields[0])] = fields[2]
            continue
        shape = [int(s) for s in fields[4:]]
        n = 4 * torch.Size(shape).numel()
        out[int(fields[0])][fields[1]] = (fields[2], torch.frombuffer(bytearray(data[at:at + n]) or bytearray(4), dtype=torch.float32)[:n // 4].reshape(shape))
        at += n
    return out


def same(got, want):
    if isinstance(got, str) or list(got) != list(want):
        return got if isinstance(got, str) else "other names: %s" % (set(got) ^ set(want) or "in another order")
    for k, v in want.items():
        dtype, x = got[k]
        if dtype != str(v.dtype).replace("torch.", "") or x.shape != v.shape or not torch.equal(x, v.detach().to(torch.float32)):
            return "%s: %s %s" % (k, dtype, tuple(x.shape))
    return ""


def random_tensor(r, g):
    shape = [r.randrange(0, 6) if r.random() < 0.05 else r.randrange(1, 6) for _ in range(r.randrange(0, 5))]
    x = torch.randn(shape, generator=g) * 10 ** r.randrange(-6, 4)
    t = r.choice(TYPES)
    x = x > 0 if t is torch.bool else (x * 10).clamp(0, 120).to(t) if not t.is_floating_point else x.to(t)
    if x.dim() >= 2 and r.random() < 0.4:
        x = x.permute(*r.sample(range(x.dim()), x.dim()))
    if x.dim() and x.shape[0] > 1 and r.random() < 0.3:
        x = x[::2] if r.random() < 0.5 else x[1:]
    return x.expand(3, *x.shape) if r.random() < 0.05 else x


def main():
    print("# torch %s" % torch.__version__)
    with tempfile.TemporaryDirectory() as top:
        sample = os.path.join(top, "sample")
        build(sample)
        r, g = random.Random(5), torch.Generator().manual_seed(5)
        paths, wants = [], []
        for i in range(60):
            path = os.path.join(top, "%d.pth" % i)
            want = {"layers.%d.%s" % (k, r.choice(["weight", "bias", "\u00fcber"])): random_tensor(r, g) for k in range(r.randrange(1, 12))}
            if i % 4 == 3:
                path = path[:-4] + ".safetensors"
                save_file({k: v.contiguous().clone() for k, v in want.items()}, path)
                want = load_file(path)
                want = {k: want[k] for k in want}
            else:
                value = {"module." + k: v for k, v in want.items()} if i % 5 == 0 else want
                value = {"epoch": i, "state_dict": value} if i % 3 == 0 else value
                torch.save(value, path, _use_new_zipfile_serialization=i % 4 != 1, **({"pickle_protocol": r.choice([2, 3, 4])} if i % 4 == 2 else {}))
            paths.append(path)
            wants.append(want)
        got = ours(sample, paths)
        for kind, name in ((0, "zip"), (1, "legacy"), (2, "zip, protocols 2 to 4"), (3, "safetensors")):
            bad = [(os.path.basename(p), s) for p, x, y in zip(paths, got, wants) if int(os.path.basename(p).split(".")[0]) % 4 == kind
                   and (s := same(x if kind < 3 or isinstance(x, str) else {k: x[k] for k in y if k in x}, y))]
            check("random state_dicts, " + name, not bad, bad[:2])
        real = [os.path.join(SHARED, "weights", f) for f in ("efficientnet_lite0/efficientnet-lite0-57934424.pth", "all-MiniLM-L6-v2/model.safetensors")]
        for path in real:
            if not os.path.exists(path):
                print("skip - %s (absent)" % os.path.basename(path))
                continue
            want = load_file(path) if path.endswith(".safetensors") else torch.load(path, map_location="cpu", weights_only=True)
            got = ours(sample, [path])[0]
            check("%s: %d tensors" % (os.path.basename(path), len(want)), not same({k: got[k] for k in want if k in got} if path.endswith(".safetensors") else got, want))
    return story.verdict()


sys.exit(main())
