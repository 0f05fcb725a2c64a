#!/usr/bin/env bash
# Models and checkpoints whose weights hold NaN: every reader refuses them, names the array, and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"
{ "$BIN/fetch-coco" --synthetic 60 --as-embeddings --seed 7 -q -o d && "$BIN/fetch-coco" --synthetic 12 --size 48 --seed 3 -q -o s &&
	"$BIN/train" --model residual-mlp --hidden 48 --epochs 1 d/train.npz -q -o m.h5 && "$BIN/train" --model ridge --split-sizes 0.9/0.1/0 d/train.npz -q -o r.h5 &&
	"$BIN/train" --model heads --finetune image --image-encoder mobilenet-v3-small --embed-dim 8 --epochs 1 --batch-size 16 s/manifest.jsonl -q -o t.h5; } > prepare.log 2>&1 ||
	{ tail -n 5 prepare.log; echo "not ok - models to damage"; exit 1; }
# the middle of a file lies in its largest array
poison() { python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(0, 2); f.seek(f.tell() // 2); f.write(b"\xff" * 16)' "$1"; }
cp m.ckpt.h5 whole.ckpt.h5; cp t.h5 whole.t.h5
for f in m.h5 r.h5 t.h5 m.ckpt.h5; do poison $f; done
bad="'.*(param|state|ema|best).*' holds NaN or infinity"
expect_err "$bad" "predict with a network" "$BIN/predict" --model m.h5 d/test.clean.npz -q -o p.csv
expect_err "$bad" "predict with a projection" "$BIN/predict" --model r.h5 d/test.clean.npz -q -o p.csv
expect_err "$bad" "predict with towers" "$BIN/predict" --model t.h5 s/manifest.jsonl -q -o p.csv
expect_err "$bad" "evaluate" "$BIN/evaluate" --model m.h5 d/train.npz --split val -q
expect_err "$bad" "extract-features by towers" "$BIN/extract-features" --model t.h5 s/manifest.jsonl -q -o f.h5
"$BIN/extract-features" --model whole.t.h5 s/manifest.jsonl -q -o e.h5 > /dev/null 2>&1
expect_err "$bad" "search with words" "$BIN/search" e.h5 --model t.h5 --text "a red circle" -q
expect_err "$bad" "train --resume" "$BIN/train" --resume m.ckpt.h5 -q
t "nothing was written" test ! -e p.csv -a ! -e f.h5
