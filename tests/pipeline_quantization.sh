#!/usr/bin/env bash
# make quantization, small: embedded scenes to the page; vectors of one's own; nothing is made twice.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR                       # steps use ./runs
go() { make -f "$ROOT/pipelines/quantization.mk" -I "$ROOT" BIN="$BIN" "$@" quantization; }
small() { go N=300 PRECISIONS="fp32 fp16 int8" DIMS="256 512" POOLS="20 50"; }
R=data/quantization/result

t "embedded scenes: vectors, grid, analysis" small
t "every cell has a result, marked synthetic" jq -e '.total_experiments == 18 and .synthetic' $R/experiment_summary.json
t "the gallery has signal: its interval lies above chance, both directions" jq -e '.dim_512_prec_fp32_cand_full | . as $c | ["text_to_video", "video_to_text"] | all(. as $d | $c.ci95[$d]["recall@10"][0] > $c.random_baseline[$d]["recall@10"])' $R/experiment_results.json
t "int8 stays by fp32" jq -e '.dim_256_prec_int8_cand_full.text_to_video["recall@10"] - .dim_256_prec_fp32_cand_full.text_to_video["recall@10"] | . < 0.03 and . > -0.03' $R/experiment_results.json
t "page and pictures" bash -c "[ -s $R/experiment_report.html ] && [ -s $R/experiment_analysis.png ] && [ -s $R/detailed_results.csv ]"
t "one parent run, finished" bash -c "'$BIN/runs' list --json | jq -e '[.runs[] | select(.parent == null)] | length == 1 and .[0].status == \"FINISHED\"'"
again() { small > log 2>&1 && ! grep -qE 'fetch-coco|run-experiments --' log; }
t "a second time nothing is made again" again
t "vectors of one's own" go DATA="$ROOT/tests/golden/grid.npz" OUT=own DIMS="16 48" PRECISIONS="fp32 int8" POOLS="12 25"
t "its figures are those of the file" jq -e '.embedding_dimensions == [16, 48] and .synthetic == false' own/result/experiment_summary.json
expect_exit 2 "vectors that are not there" go DATA=nowhere.npz OUT=none
