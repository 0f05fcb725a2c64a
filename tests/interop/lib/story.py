"""What the interop scripts share: their argument (the folder with the programs), the real data's folder, "ok" and "not ok" lines and the verdict, a program run."""
import os, subprocess, sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../bin"))
SHARED = os.path.abspath(os.environ.get("ITR_SHARED", os.path.join(HERE, "../../../shared")))
failures = 0


def check(name, good, detail=""):
    global failures
    print(("ok - " if good else "not ok - ") + name + ("" if good else "   # %s" % (detail,)), flush=True)
    failures += not good


def verdict():
    """The exit code."""
    return 1 if failures else 0


def attempt(name, *args):
    """(exit code, stdout, stderr) of a program, untracked and quiet."""
    out = subprocess.run([os.path.join(BIN, name), *args, "--no-track", "-q"], capture_output=True, text=True)
    return out.returncode, out.stdout, out.stderr


def tool(name, *args):
    """stdout of a program that has to succeed."""
    code, out, message = attempt(name, *args)
    if code:
        raise SystemExit("not ok - %s %s: %s" % (name, " ".join(args), message))
    return out
