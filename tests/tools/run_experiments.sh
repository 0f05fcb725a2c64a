#!/usr/bin/env bash
# run-experiments: the document's command, figures against NumPy's, killed and resumed, bad input.
. "$(dirname "$0")/../lib.sh"
GOLDEN=$ROOT/tests/golden
B="$BIN/run-experiments --data_path $GOLDEN/grid.npz --recall_k 10 --timing off"
R="$B --candidate_sizes 12 25 40 --embedding_dims 16 48"

# --- figures -------------------------------------------------------------------------------------------------------------------------------------------
t "the grid runs" $R --output_dir golden --precisions fp32 --full
t "without --embedding-dims: the sizes that the file has" bash -c "$B --candidate_sizes 12 --output_dir sizes --precisions fp32 > /dev/null && jq -e '[.[].config.embedding_dim] | unique == [16, 48]' sizes/experiment_results.json"
expect_err "exists: --resume continues it, --force starts again" "a finished grid is not overwritten" $R --output_dir golden --precisions fp32 --full
t "--force begins again" $R --output_dir sizes --precisions fp32 -f
cat > compare.jq <<'JQ'
def abs: if . < 0 then -. else . end;
[$want[0].cells | to_entries[] | .key as $cell | .value | to_entries[] | .key as $dir | .value | to_entries[] | select(.key != "queries") |
 {cell: $cell, dir: $dir, metric: .key, want: .value, got: $got[0][$cell][$dir][.key]} | select(.got == null or (.got - .want | abs) > 1e-12)]
JQ
same() { [ "$(jq -n --slurpfile want "$GOLDEN/grid.json" --slurpfile got "$1" -f compare.jq | tee diff.json)" = "[]" ] || { cat diff.json; return 1; }; }
t "fp32 cells equal NumPy's, same pools, to 1e-12" same golden/experiment_results.json
t "chance, intervals, kernel, config are in each cell" jq -e '[.[] | (.random_baseline.text_to_video["recall@10"] > 0) and (.ci95.video_to_text.mrr[0] <= .video_to_text.mrr)
  and (.kernel | length > 0) and (.config.num_queries == 148) and (.memory_usage_mb > 0)] | all' golden/experiment_results.json
t "the meta file says what it is" jq -e '.schema == 1 and .unanswered == 2 and .synthetic == false and .cells_done == 8 and (.provenance.inputs[0].sha256 | length) == 64' golden/experiment_results.meta.json
t "precisions differ as they should" bash -c "$R --output_dir all --precisions fp32 fp16 bf16 int8 int4 binary --full > /dev/null &&
  jq -e '[.[\"dim_48_prec_fp32_cand_full\",\"dim_48_prec_fp16_cand_full\",\"dim_48_prec_int8_cand_full\",\"dim_48_prec_int4_cand_full\",\"dim_48_prec_binary_cand_full\"].memory_usage_mb] as \$m |
    \$m[0] > \$m[1] and \$m[1] > \$m[2] and \$m[2] > \$m[3] and \$m[3] > \$m[4]' all/experiment_results.json"
t "binary with everything rescored is fp32" bash -c "$R --output_dir rescored --precisions fp32 binary --rescore 1000 > /dev/null &&
  jq -e '[.dim_48_prec_binary_cand_25, .dim_48_prec_fp32_cand_25] | .[0].text_to_video == .[1].text_to_video and .[0].video_to_text == .[1].video_to_text' rescored/experiment_results.json"
t "several seeds: the cell is their mean" bash -c "$R --output_dir seeds --precisions int8 --seeds 1,2,3 > /dev/null &&
  jq -e '.dim_16_prec_int8_cand_12 | (.per_seed | length == 3) and ((([.per_seed[].text_to_video.mrr] | add / 3) - .text_to_video.mrr) | . < 1e-12 and . > -1e-12)' seeds/experiment_results.json"
t "other sizes by projection and by cutting" bash -c "$B --candidate_sizes 12 25 40 --output_dir made --precisions fp32 --embedding_dims 48 32 8 --project 32 --truncate 8 > /dev/null &&
  jq -e 'length == 9' made/experiment_results.json"
t "shuffled queries: the same figures on the whole gallery" bash -c "$BIN/run-experiments -d $GOLDEN/grid.npz --output-dir shuffled --embedding-dims 48 --precisions fp32 --candidate-sizes 1000 --shuffle-queries --timing off --bootstrap 0 > /dev/null &&
  jq -e --slurpfile a golden/experiment_results.json '(.dim_48_prec_fp32_cand_1000.text_to_video.mrr - \$a[0].dim_48_prec_fp32_cand_full.text_to_video.mrr) | . < 1e-12 and . > -1e-12' shuffled/experiment_results.json"
t "timing" bash -c "$R --timing full --output_dir timed --precisions int8 > /dev/null &&
  jq -e '.dim_16_prec_int8_cand_12 | .timing.total_time > 0 and .queries_per_second > 0 and .timing.text_to_video_latency.p99_ms > 0' timed/experiment_results.json"

# --- same bytes for any threads, after any interruption --------------------------------------------------------------------------------------------------
Q="$B --candidate_sizes 12 25 40 --no-provenance --no-track --precisions fp32 int8 int4 --seeds 4,5"
P="$Q --embedding_dims 16 48"
t "one thread" $P -j 1 --output_dir one
t "two threads, side by side" $P -j 2 --jobs 2 --output_dir two
t "the same bytes" bash -c "cmp one/experiment_results.json two/experiment_results.json && cmp one/experiment_results.per_query.npz two/experiment_results.per_query.npz"
full=$(wc -c < one/experiment_results.journal)
resume_at() {
	for cut in 0 40 150 $((full / 7)) $((full / 3)) $((full / 2)) $((full - 1)) "$full"; do
		rm -rf cut; mkdir cut; head -c "$cut" one/experiment_results.journal > cut/experiment_results.journal
		$P -q --resume --output_dir cut > /dev/null || return 1
		cmp one/experiment_results.json cut/experiment_results.json && cmp one/experiment_results.per_query.npz cut/experiment_results.per_query.npz || return 1
	done
}
t "a journal cut anywhere resumes to the same bytes" resume_at
killed() {
	rm -rf dead; $P -q --output_dir dead > /dev/null & sleep 0.05; kill -9 $! 2>/dev/null; wait $! 2>/dev/null
	$P -q --resume --output_dir dead > /dev/null && cmp one/experiment_results.json dead/experiment_results.json
}
t "killed, resumed, the same bytes" killed
# killed when the journal has grown past a given part: kills in the middle and in the last cells too, whatever the machine's speed
killed_after() {
	for part in 1 2 3 4 5; do
		rm -rf dead; $P -q --jobs 1 --output_dir dead > /dev/null & pid=$!
		while kill -0 $pid 2> /dev/null && [ "$(wc -c < dead/experiment_results.journal 2> /dev/null || echo 0)" -lt $((full * part / 6)) ]; do :; done
		kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
		$P -q --resume --output_dir dead > /dev/null && cmp one/experiment_results.json dead/experiment_results.json && cmp one/experiment_results.per_query.npz dead/experiment_results.per_query.npz || return 1
	done
}
t "killed late, resumed, the same bytes of both files" killed_after
locked() {   # a second run into the folder says so and leaves the first one's journal alone
	rm -rf held; mkdir held; cp one/experiment_results.journal held/
	flock -x held/experiment_results.journal sh -c "$P --output_dir held > /dev/null 2> held.err; [ \$? = 1 ]" && grep -q 'another run' held.err && cmp one/experiment_results.journal held/experiment_results.journal
}
if command -v flock > /dev/null; then t "a folder that another run writes into is left alone" locked; else skip "a folder that another run writes into" "no flock program"; fi
damaged() { cp -r one bad && printf 'X' | dd of=bad/experiment_results.journal bs=1 seek=$((full / 2)) conv=notrunc 2> /dev/null && $P -q --resume --output_dir bad > /dev/null && cmp one/experiment_results.json bad/experiment_results.json; }
t "a damaged record is computed again" damaged
expect_err "other data or options" "a journal of other options is refused" $P --resume --rescore 5 --output_dir one
t "a dry run lists and writes nothing" bash -c "$P --dry-run --output_dir nothing > list && grep -c compute list | grep -qx 18 && [ ! -e nothing ]"
t "a dry run of a finished grid keeps" bash -c "$P --dry-run --resume --output_dir one | grep -c keep | grep -qx 18"

# --- sign bits are turned ----------------------------------------------------------------------------------------------------------------------------------
# CCA's own axes, most of them faint: a sign of each counts alike, so that bits as they are lose what turned ones keep
axes() {
	"$BIN/fetch-coco" --synthetic 400 --seed 7 --size 64 -o scenes -q > /dev/null && "$BIN/extract-features" --image-encoder classic --text-encoder hash scenes/manifest.jsonl -o f.h5 -q &&
	"$BIN/train" --model cca f.h5 -o m.h5 -q > /dev/null && "$BIN/extract-features" --model m.h5 f.h5 --split test -o axes.npz -q && A="$BIN/run-experiments -q -d axes.npz --embedding-dims 512 --full --timing off --bootstrap 0" &&
	$A --precisions fp32 int8 binary --output-dir by_default && $A --precisions fp32 int8 binary --no-rotate-binary --output-dir as_is && $A --precisions fp32 binary --rotate --output-dir all_turned
}
t "the grid on CCA's axes, three ways" axes
cell() { jq -e ".dim_512_prec_$2_cand_full | $3" "$1/experiment_results.json"; }
mean='.text_to_video["recall@10"] + .video_to_text["recall@10"] | . / 2'
t "binary says that it is turned, by default" bash -c "$(declare -f cell); cell by_default binary '.config.rotated == true' && cell by_default int8 '.config.rotated == null' && cell by_default fp32 '.config.rotated == null'"
t "--no-rotate-binary leaves it, --rotate turns all" bash -c "$(declare -f cell); cell as_is binary '.config.rotated == null' && cell all_turned fp32 '.config.rotated == true' && cell all_turned binary '.config.rotated == true'"
t "the other precisions are the same with and without" test "$(cell by_default int8 .text_to_video)$(cell by_default fp32 .video_to_text)" = "$(cell as_is int8 .text_to_video)$(cell as_is fp32 .video_to_text)"
t "one rotation for both" test "$(cell by_default binary .text_to_video)" = "$(cell all_turned binary .text_to_video)"
t "turned bits find more" awk -v turned="$(cell by_default binary "$mean")" -v plain="$(cell as_is binary "$mean")" 'BEGIN { print turned, plain; exit !(turned > plain + .05) }'

# --- failures are kept apart ---------------------------------------------------------------------------------------------------------------------------------
expect_exit 1 "a missing size fails its cells, not the grid" $Q --embedding_dims 16 17 --output_dir half
t "the others are there, the reason too" jq -e '(.dim_17_prec_int8_cand_12.error | test("text_17")) and .dim_16_prec_int8_cand_12.config.embedding_dim == 16' half/experiment_results.json
t "--pick missing leaves failed cells alone" bash -c "$Q --embedding_dims 16 17 --resume --dry-run --output_dir half | grep -c 'failed before' | grep -qx 9"
t "--pick failed takes them" bash -c "$Q --embedding_dims 16 17 --resume --pick failed --dry-run --output_dir half | grep -c compute | grep -qx 9"
expect_err "needs --resume" "--pick without --resume does not begin anew" $Q --embedding_dims 16 17 --pick failed --output_dir half
t "what was there is still there" jq -e '.dim_16_prec_int8_cand_12.config.embedding_dim == 16' half/experiment_results.json
expect_exit 2 "no jobs" $Q --embedding_dims 16 --jobs 0 --output_dir x
expect_err "No such file" "no file" "$BIN/run-experiments" --data-path nowhere.npz --output-dir x
raw() { "$BIN/fetch-coco" --synthetic 40 --size 64 -q -o rawdata && "$BIN/extract-features" --image-encoder classic --text-encoder hash rawdata/manifest.jsonl -q -o raw.h5; }
t "(a store of raw features)" raw
expect_err "share no space.*extract-features --model" "raw features of two sizes are not brought into one by noise" "$BIN/run-experiments" --data-path raw.h5 --embedding-dims 64 --output-dir x
expect_exit 2 "no data" "$BIN/run-experiments" --output-dir x
expect_exit 2 "an unknown precision" $R --output-dir x --precisions int7
expect_exit 2 "a size of 0" $R --output-dir x --candidate_sizes 0
t "pools beyond the gallery and cut-offs beyond the pool are warned about" bash -c "$B --output_dir w --embedding_dims 16 --precisions int8 --candidate_sizes 5 5000 2>&1 | tee w.txt; grep -q 'more than the gallery' w.txt && grep -q 'is 1 whatever' w.txt"

# --- named experiments -----------------------------------------------------------------------------------------------------------------------------------------
echo '{"why": "base", "options": {"candidate-sizes": [12, 25], "timing": "off", "precisions": ["fp32", "int8"], "bootstrap": 0}}' > base.json
echo '{"extends": "base.json", "why": "less", "options": {"precisions": "int4"}}' > less.json
t "a sweep file builds on another; the command line wins" bash -c "$BIN/run-experiments --sweep less.json -d $GOLDEN/grid.npz --output-dir s --embedding-dims 16 --candidate-sizes 12 > /dev/null && jq -e 'keys == [\"dim_16_prec_int4_cand_12\"]' s/experiment_results.json"
echo '{"extends": "loop.json"}' > loop.json
expect_err "circle" "files that extend one another in a circle" "$BIN/run-experiments" --sweep loop.json -d "$GOLDEN/grid.npz" --output-dir s
t "--track cells: a run a cell" bash -c "$B --candidate_sizes 12 25 40 --output_dir tracked --precisions int8 --embedding_dims 16 --track cells > /dev/null && grep -rl dim_16_prec_int8_cand_ \$ITR_RUNS_DIR/*/*/meta.yaml | wc -l | awk '{exit !(\$1 >= 3)}'"
