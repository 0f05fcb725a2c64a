#!/usr/bin/env bash
# The whole tree under clang, warnings being errors; and what both compilers' programs write is the same, byte for byte.
. "$(dirname "$0")/../lib.sh"
command -v clang >/dev/null || { skip "clang" "clang is not installed"; exit 0; }
[ -z "${SANITIZE:-}" ] || { skip "clang" "the sanitizer build is not compared"; exit 0; }
C=$ROOT/build/clang                  # kept: a second run builds what changed
build() { make -C "$ROOT" -j2 CC=clang DEVELOPER=1 BUILD=build/clang BIN=build/clang/bin all; }
t "clang builds everything without a warning" build
[ -x "$C/bin/evaluate" ] || exit 1
chain() { b=$1; d=$2; mkdir -p $d; (cd $d && $b/fetch-coco --synthetic 60 --seed 7 -o data -q --no-track && $b/extract-features --image-encoder classic --text-encoder hash data/manifest.jsonl -o f.h5 -q --no-track &&
	$b/train --model cca --dims 16 f.h5 -o m.h5 -q --no-track && $b/extract-features --model m.h5 f.h5 --split test -o t.npz -q --no-track && $b/evaluate t.npz --json -q --no-track > e.json); }
t "the chain runs, built by clang" chain "$C/bin" by_clang
t "the chain runs, built by gcc" chain "$BIN" by_gcc
t "scenes are the same bytes" diff -r by_clang/data by_gcc/data
t "features are the same bytes" cmp by_clang/f.h5 by_gcc/f.h5
t "figures are the same bytes" cmp by_clang/e.json by_gcc/e.json
