#!/usr/bin/env bash
# fetch-coco against aria2c and curl --parallel on the same files from nginx on the loopback: seconds (median of 3), MB/s, peak memory.
# Usage: tests/bench/bench_fetch.sh [FILES] [KILOBYTES]        default 2000 files of 160 KB, COCO's mean
# Ours does more with each file: SHA-256, fsync, rename, a journal; then it decodes each picture once ("looking"), which is not part of the transfer and is timed apart.
set -e
exec 3>&1 1>&2       # the table for people goes to stderr, JSON lines for tests/bench/run to stdout
FILES=${1:-2000}; KB=${2:-160}
ROOT=$(cd "$(dirname "$0")/../.." && pwd); BIN=${BIN:-$ROOT/bin}
TMP=$(mktemp -d "${TMPDIR:-/tmp}/itr-bench.XXXXXX"); cd "$TMP"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
trap 'kill $(cat nginx.pid) 2>/dev/null; cd /; rm -rf "$TMP"' EXIT
for p in python3 curl aria2c; do command -v $p >/dev/null || { echo "bench_fetch: needs $p"; exit 1; }; done
nginx=$(command -v nginx || ls /usr/sbin/nginx) || { echo "bench_fetch: needs nginx"; exit 1; }
"$BIN/fetch-coco" --synthetic "$FILES" --size 64 -q --no-track -o scenes > /dev/null
mkdir -p site/annotations && mv scenes/images site/val2017
python3 - "$KB" <<'PY'
import os, sys, glob, zipfile
size = int(sys.argv[1]) * 1024
for f in glob.glob("site/val2017/*.jpg"):       # comment segments of random bytes after the start of image: a JPEG of COCO's size that still decodes
    b, extra = open(f, "rb").read(), b""
    while len(b) + len(extra) < size:
        n = max(2, min(60000, size - len(b) - len(extra)))
        extra += b"\xff\xfe" + (n + 2).to_bytes(2, "big") + os.urandom(n)
    open(f, "wb").write(b[:2] + extra + b[2:])
with zipfile.ZipFile("site/annotations/a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for k in ("captions", "instances"):
        z.write("scenes/annotations/%s_scenes.json" % k, "annotations/%s_val2017.json" % k)
PY
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > nginx.conf <<CONF
pid $TMP/nginx.pid; error_log $TMP/err; worker_processes 1; $([ "$(id -u)" = 0 ] && echo "user root;")
events { worker_connections 256; }
http { access_log off; sendfile on; keepalive_requests 1000000; server { listen 127.0.0.1:$PORT; root $TMP/site; } }
CONF
"$nginx" -p "$TMP" -c "$TMP/nginx.conf" 2>/dev/null
URL=http://127.0.0.1:$PORT; sleep 0.3
for f in site/val2017/*.jpg; do echo "$URL/val2017/$(basename "$f")"; done > urls
sed 's/.*/url = "&"\nremote-name/' urls > curlrc
cat > timed.py <<'PY'
import os, resource, subprocess, sys, time
t = time.time(); r = subprocess.call(sys.argv[2:], stdout=open("out.json", "w"), stderr=subprocess.DEVNULL); t = time.time() - t
print("%s\t%.3f\t%.1f\t%d" % (sys.argv[1], t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, r))
PY
for round in 1 2 3; do
	rm -rf got && mkdir got; python3 timed.py aria2c aria2c -q -i urls -d got -j 16 --file-allocation=none
	rm -rf got && mkdir got; (cd got && python3 ../timed.py curl curl -s --parallel --parallel-max 16 -K ../curlrc)
	rm -rf got; python3 timed.py fetch-coco "$BIN/fetch-coco" --subset val2017 --no-track --near-duplicates -1 --base-url "$URL" --annotations-url "file://$TMP/site/annotations/a.zip" -o got --json
	python3 -c 'import json; t = json.load(open("out.json"))["transfers"]; print("fetch-coco (transfer alone)\t%.3f\t0\t0" % t["seconds"])'
done > times
python3 - "$FILES" "$KB" >&3 <<'PY'
import json, statistics, sys
files, kb = int(sys.argv[1]), int(sys.argv[2])
rows = {}
for line in open("times"):
    name, seconds, peak, code = line.rstrip("\n").split("\t")
    rows.setdefault(name, []).append((float(seconds), float(peak), int(code)))
mb = files * kb / 1024
print("%d files of %d KB, %.0f MB, 16 connections, median of 3\n%-30s %8s %8s %9s" % (files, kb, mb, "program", "seconds", "MB/s", "peak MB"), file=sys.stderr)
median = {n: statistics.median(r[0] for r in v) for n, v in rows.items()}
for n, v in sorted(rows.items()):
    bad = [r[2] for r in v if r[2]]
    print("%-30s %8.2f %8.0f %9s%s" % (n, median[n], mb / median[n], "%.0f" % max(r[1] for r in v) if v[0][1] else "-", "  (exit %s)" % bad[0] if bad else ""), file=sys.stderr)
peak = max(r[1] for r in rows["fetch-coco"])
for peer in ("aria2c", "curl"):
    if not any(r[2] for n in (peer, "fetch-coco") for r in rows[n]):        # a program that failed has no speed
        ours = mb / median["fetch-coco (transfer alone)"]
        print(json.dumps({"case": "fetch %dx%dKB MB/s, peer %s" % (files, kb, peer), "ours": round(ours, 1), "peer": round(mb / median[peer], 1),
                          "ratio": round(ours / (mb / median[peer]), 3), "whole_run_seconds": round(median["fetch-coco"], 3), "peak_mb": peak}))
PY
