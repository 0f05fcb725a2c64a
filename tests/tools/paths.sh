#!/usr/bin/env bash
# Folders and files with a space, a quote, a percent sign and letters beyond ASCII: every program reads and writes them, gnuplot draws into them, runs name them as MLflow's URIs do.
. "$(dirname "$0")/../lib.sh"
odd="it's 100 % \"ödd\" #1 \$HOME;x"; mkdir "$odd" && cd "$odd" || exit 1
ln -s "$BIN" "the programs' folder"; B=$PWD/"the programs' folder"; unset ITR_RUNS_DIR
D="my data's"; O="out put's"; mkdir "$O"
t "fetch-coco" "$B/fetch-coco" --synthetic 120 --size 64 --seed 7 -q -o "$D/scenes"
t "extract-features" "$B/extract-features" --image-encoder classic --text-encoder hash "$D/scenes/manifest.jsonl" -q -o "$O/f 1.h5"
t "the same from shards" bash -c 'for i in 0 1; do "$0/extract-features" -q --image-encoder classic --text-encoder hash --shard $i/2 "$1/scenes/manifest.jsonl" -o "$2/s $i.h5" || exit 1; done
	"$0/extract-features" -q --merge "$2/s 0.h5" "$2/s 1.h5" -o "$2/s.h5" && "$0/extract-features" -q --verify "$2/s.h5" --against "$2/f 1.h5"' "$B" "$D" "$O"
t "train" "$B/train" --model cca "$O/f 1.h5" -q -o "$O/cca's.h5"
t "embeddings of the test part" "$B/extract-features" -q --model "$O/cca's.h5" "$O/f 1.h5" --split test --project 32 -o "$O/e 1.npz"
t "evaluate" "$B/evaluate" "$O/e 1.npz" -q -o "$O/figures 1.json"
t "its figures of each query lie beside" bash -c '"$0/evaluate" -q --compare "$1/figures 1.json" "$1/figures 1.json" > /dev/null && [ -s "$1/figures 1.per_query.npz" ]' "$B" "$O"
t "search, with a sheet" "$B/search" "$O/e 1.npz" --manifest "$D/scenes/manifest.jsonl" --random 3 -q --sheet "$O/sheet's 1.png"
t "run-experiments" "$B/run-experiments" -q --data-path "$O/e 1.npz" --output-dir "$O/grid 1" --precisions fp32 int8 --candidate-sizes 10 20 --embedding-dims 32
t "analyze, with plots" "$B/analyze" -q --results-dir "$O/grid 1" --output-path "$O/grid 1/experiment_summary.json"
png() { local f; for f in "$@"; do [ "$(head -c 4 "$f" | tail -c 3)" = PNG ] || { echo "$f"; return 1; }; done; }
t "the plots are pictures" png "$O/grid 1/experiment_analysis.png" "$O/grid 1/pareto.png" "$O/sheet's 1.png"
t "a network, with curves" "$B/train" --model heads --epochs 2 --embed-dim 16 "$O/f 1.h5" -q -o "$O/net 1.h5"
t "the curves are a picture" png "$O/net 1.curves.png"
t "resumed from its checkpoint" "$B/train" -q --resume "$O/net 1.ckpt.h5"
t "predict" "$B/predict" --model "$O/net 1.h5" --side image "$O/f 1.h5" -q -o "$O/p 1.npz"
t "tokenize" bash -c '"$0/tokenize" --build-vocab "$1/scenes/manifest.jsonl" -q -o "$2/v 1.txt" && "$0/tokenize" -t "words:$2/v 1.txt" "$1/scenes/manifest.jsonl" -q -o "$2/ids 1.jsonl"' "$B" "$D" "$O"
mkdir "side car's" && cp "$ROOT/tests/data/images/rgb.jpg" "side car's/a b's.jpg" && echo "a caption" > "side car's/a b's.txt"
t "sidecar folder" bash -c '"$0/fetch-coco" --from sidecar "side car'"'"'s" -q -o "$1/mine" && "$0/extract-features" -q --image-encoder classic --text-encoder hash "$1/mine/manifest.jsonl" -o "$1/mine.h5"' "$B" "$D"
url=file://$(python3 -c 'import os, urllib.request; print(urllib.request.pathname2url(os.getcwd()))')
mkdir mirror && cp "$ROOT/tests/golden/weights/every.safetensors" mirror/model.safetensors && for f in config.json vocab.json merges.txt; do echo '{}' > mirror/$f; done
t "fetch-model by file://, percent-encoded" bash -c '"$0/fetch-model" clip-vit-b16 --base-url "$1/mirror" -o "$2/we ights" && cmp mirror/model.safetensors "$2/we ights/model.safetensors"' "$B" "$url" "$O"
cat > uris.py <<'PY'
"""MLflow's own form: urllib.request.pathname2url of the folder."""
import glob, os, sys, urllib.request
metas = glob.glob("runs/*/*/meta.yaml")
for m in metas:
    uri = [line.split(": ", 1)[1].strip().strip("'\"") for line in open(m) if line.startswith("artifact_uri")][0]
    want = "file://" + urllib.request.pathname2url(os.path.join(os.getcwd(), os.path.dirname(m), "artifacts"))
    if uri != want:
        sys.exit("%s, not %s" % (uri, want))
sys.exit(len(metas) < 12)
PY
t "runs: every one finished" bash -c '"$0/runs" list --json | jq -e ".runs | length >= 12 and all(.status == \"FINISHED\")"' "$B"
t "artifact_uri is percent-encoded as MLflow does" python3 uris.py
t "nothing was written outside" bash -c '[ "$(ls -A ..  | grep -v "^\.[BRSo]")" = "$(basename "$PWD")" ]'

# the checkout itself, or a copy of what make needs of it, in such a folder
mkdir "a 'clone'" && cp -r "$ROOT/Makefile" "$ROOT/NEWS.md" "$ROOT/pipelines" "$ROOT/lib" "$ROOT/tools" "a 'clone'" && mkdir "a 'clone'/tests" && ln -s "$BIN" "a 'clone'/bin"
t "make demo in such a folder" bash -c 'cd "a '"'clone'"'" && make -f pipelines/demo.mk demo N=120 > log 2>&1 && [ -s data/demo/summary.txt ] && head -c 4 data/demo/retrieval.png | grep -q PNG || { tail -n 20 log; exit 1; }'
t "make knows what to build there" bash -c 'cd "a '"'clone'"'" && make -n BIN=x CC=gcc all > plan 2> err && grep -q "lib/base/err.c" plan && [ ! -s err ] || { cat err; exit 1; }'
