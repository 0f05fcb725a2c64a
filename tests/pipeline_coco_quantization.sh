#!/usr/bin/env bash
# make coco-quantization, small: drawn scenes, pictures of one's own, a run that is killed; CLIP's towers with random weights are at chance and that is said.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR
go() { make -f "$ROOT/pipelines/coco-quantization.mk" -I "$ROOT" BIN="$BIN" "$@"; }
free() { go coco-quantization ENCODERS="classic hash" DIMS="64 128" POOLS="10 20" PRECISIONS="fp32 int8" "$@"; }
R=data/coco-quantization-scenes/result
t "drawn scenes from JPEG to page" free DATA=scenes N=200
t "every cell has a result, marked synthetic" jq -e '.total_experiments == 12 and .synthetic' $R/experiment_summary.json
t "towers that share no space are evaluated on the held-out part" jq -e '[.[] | .config.num_queries] | unique == [200]' $R/experiment_results.json
t "page and pictures" bash -c "[ -s $R/experiment_report.html ] && [ -s $R/experiment_analysis.png ] && [ -s $R/summary_recall10.png ]"
again() { free DATA=scenes N=200 > log 2>&1 && ! grep -qE 'fetch-coco|extract-features --|run-experiments --' log; }
t "a second time nothing is made again" again
# Killed with everything below it, at whatever it was at; then the same command.
killed() {
	setsid bash -c "exec make -f '$ROOT/pipelines/coco-quantization.mk' -I '$ROOT' BIN='$BIN' coco-quantization ENCODERS='classic hash' DIMS='64 128' POOLS='10 20' PRECISIONS='fp32 int8' DATA=scenes N=200 OUT=k" > kill.log 2>&1 &
	local leader=$!
	await $leader [ -e k/features.h5.parts -o -e k/features.h5 ]
	kill -9 -- -$leader; wait $leader
	[ -s k/manifest.jsonl ] && [ ! -e k/result/experiment_summary.json ]
}
t "killed in the middle" killed
t "the same command goes on" free DATA=scenes N=200 OUT=k
t "to the same figures" bash -c "for d in k/result $R; do jq -S 'map_values(del(.timing, .kernel, .queries_per_second))' \$d/experiment_results.json; done | jq -s -e '.[0] == .[1]'"
other() { free DATA=scenes N=150 OUT=k > log 2>&1 && grep -q 'fetch-coco --synthetic 150' log; }
t "other pictures under the same name are another experiment" other
expect_exit 2 "pictures that are not there" free DATA=nowhere OUT=none
unreachable() { https_proxy=http://127.0.0.1:1 ITR_CACHE=$TMP/empty go coco-quantization ENCODERS=clip-vit-b32 DATA=scenes N=24 OUT=u > log 2>&1; [ $? = 2 ] && grep -q "make: no weights for clip-vit-b32: give WEIGHTS=" log && [ ! -e u/features.h5 ]; }
t "weights that cannot be fetched: what to give instead" unreachable
PYTHON=${PYTHON:-$(command -v python3)}
if [ -n "$PYTHON" ] && "$PYTHON" -c 'import numpy' 2> /dev/null && [ -f "$SHARED/weights/clip/bpe_simple_vocab_16e6.txt.gz" ]; then
	t "CLIP's towers, random weights" "$PYTHON" -c "import sys; sys.path.insert(0, '$ROOT/tests/interop/lib'); import random_weights; random_weights.write('clip-vit-b32', 'w')"
	cp "$SHARED/weights/clip/bpe_simple_vocab_16e6.txt.gz" w/
	t "CLIP from JPEG to page" go coco-quantization DATA=scenes N=24 WEIGHTS=w OUT=c DIMS="256 512" POOLS=10 PRECISIONS="fp32 int8"
	t "random weights find nothing: chance lies in the interval" jq -e '.dim_512_prec_fp32_cand_full | . as $c | $c.ci95.text_to_video["recall@10"] as $i | $c.random_baseline.text_to_video["recall@10"] | . >= $i[0] - 0.1 and . <= $i[1] + 0.1' c/result/experiment_results.json
else
	skip "CLIP from JPEG to page" "needs numpy and $SHARED/weights/clip"
fi
