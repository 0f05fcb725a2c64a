#!/usr/bin/env bash
# The whole way: the documented commands, letter by letter, with one thread and with two; what they must show; the same fit on permuted captions; make demo.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR                       # the commands as written use ./runs
N=2000

# seven THREADS: the commands of the README in a folder of their own
seven() {
	mkdir "j$1" && cd "j$1" && ln -s "$BIN" bin || return 1
	{ bin/fetch-coco --synthetic $N --seed 7 -o data/scenes -q -j "$1" &&
	bin/extract-features --image-encoder classic --text-encoder hash data/scenes/manifest.jsonl -o features.h5 -j "$1" &&
	bin/train --model cca features.h5 -o cca.h5 -j "$1" &&
	bin/extract-features --model cca.h5 features.h5 --split test --project 256,512,1024 -o test.npz -j "$1" &&
	bin/evaluate test.npz --dim 512 --json -j "$1" > evaluate.json && bin/evaluate --model cca.h5 features.h5 --split test --json -j "$1" > store.json &&
	bin/runs list --json > runs.json; } 2> log
	local code=$?
	cat log; cd ..; return $code
}
# Every file but the runs, which tell the time.
files() { (cd "$1" && find . -type f ! -path './runs/*' ! -name runs.json ! -name log | LC_ALL=C sort); }
same() { files j1 > f1; files j2 > f2; cmp f1 f2 && [ "$(wc -l < f1)" -gt $N ] && while read -r f; do cmp "j1/$f" "j2/$f" || return 1; done < f1; }

t "the documented commands, one thread" seven 1
t "the documented commands, two threads" seven 2
t "one and two threads: every file has the same bytes" same
t "t2i recall@10 over 400 images is at least 8 times chance" jq -e '.t2i | .n_gallery == 400 and .["recall@10"] >= 8 * .chance["recall@10"]' j1/evaluate.json
t "its interval lies above chance, both directions" jq -e '.t2i, .i2t | .ci95["recall@10"][0] > .chance["recall@10"]' j1/evaluate.json
t "a store with its model gives the figures of its embeddings" bash -c "jq -S '[.t2i, .i2t, .rsum]' j1/evaluate.json > a; jq -S '[.t2i, .i2t, .rsum]' j1/store.json > b; cmp a b"
t "every step is a finished run, marked synthetic" jq -e '.runs | length == 6 and all(.status == "FINISHED")' j1/runs.json
t "synthetic is said all the way down" bash -c "jq -e '.synthetic and (.warnings | map(test(\"synthetic\")) | any)' j1/evaluate.json"

# The control: the same pictures and captions, dealt out anew (caption i goes where 6007 i + 611 mod 5 N was, a bijection). What is learned must be worth nothing.
# Caption by caption: five that stay together also rank together, and then a random order would not be what i2t has to be compared with.
permute() {
	jq -cs 'map(select(.id)) | [.[].captions[]] as $c | foreach .[] as $x ({at: 0}; {from: .at, at: (.at + ($x.captions | length)), $x};
		.from as $from | .x | .captions |= [range(length) | $c[(($from + .) * 6007 + 611) % ($c | length)]])' "$1/manifest.jsonl"
}
control() {
	permute j2/data/scenes > permuted.jsonl && "$BIN/extract-features" --no-track -q --root j2/data/scenes --image-encoder classic --text-encoder hash permuted.jsonl -o permuted.h5 &&
	"$BIN/train" --no-track -q --model cca permuted.h5 -o permuted-cca.h5 && "$BIN/evaluate" --no-track --model permuted-cca.h5 permuted.h5 --split test --json -q > permuted.json
}
t "the same fit with captions permuted over images" control
t "is at chance: recall@10 of both directions has it in its interval" jq -e '.t2i, .i2t | .chance["recall@10"] as $c | .ci95["recall@10"] | .[0] <= $c and $c <= .[1]' permuted.json
t "and is said to be" jq -e '.warnings | map(test("chance")) | any' permuted.json

demo() { mkdir demo && cd demo && make -f "$ROOT/pipelines/demo.mk" -I "$ROOT" BIN="$BIN" demo N=300 > log 2>&1; local code=$?; cd ..; tail -n 40 demo/log; return $code; }
t "make demo, 300 scenes" demo
t "a picture to look at" bash -c "head -c 8 demo/data/demo/retrieval.png | cmp - <(printf '\\211PNG\\r\\n\\032\\n')"
t "a summary with chance beside the figures" grep -q chance demo/data/demo/summary.txt
tree() { (cd demo && "$BIN/runs" list --json) | jq -e '[.runs[] | select(.parent == null)] as $top | ($top | length) == 1 and $top[0].status == "FINISHED" and ([.runs[] | select(.parent == $top[0].id)] | length) >= 6'; }
t "all steps below one parent run" tree
again() { cd demo && make -f "$ROOT/pipelines/demo.mk" -I "$ROOT" BIN="$BIN" demo N=300 > log2 2>&1; local code=$?; cd ..; [ $code = 0 ] && ! grep -qE 'fetch-coco|extract-features --' demo/log2; }
t "a second time nothing is made again" again
