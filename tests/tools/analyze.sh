#!/usr/bin/env bash
# analyze: the figures of a small real grid against its own results, figures drawn, warnings, comparison, bad input.
. "$(dirname "$0")/../lib.sh"
GOLDEN=$ROOT/tests/golden
R="$BIN/run-experiments --data_path $GOLDEN/grid.npz --recall_k 5 10 --candidate_sizes 12 25 --embedding_dims 16 48"

t "two grids to look at" bash -c "$R --output_dir a --precisions fp32 int8 binary --full > /dev/null && $R --output_dir b --precisions fp32 int8 --quantizer minmax-wrap --timing off > /dev/null"
t "the document's command" $BIN/analyze --results_dir a --output_path a/experiment_summary.json
expect_err "'a/experiment_summary.json' exists: --force replaces it" "what is there stays" $BIN/analyze --results_dir a
rm a/experiment_summary.json
expect_err "'a/detailed_results.csv' exists" "its tables too" $BIN/analyze --results_dir a
t "and comes again with --force" $BIN/analyze --results_dir a --force
t "summary: counts and lists" jq -e '.total_experiments == 18 and .embedding_dimensions == [16, 48] and .precisions == ["fp32", "int8", "binary"] and .candidate_sizes == [12, 25, "full"]' a/experiment_summary.json
cat > same.jq <<'JQ'
def near($x; $y): ($x - $y) | . < 1e-12 and . > -1e-12;
def mean(f): (map(f) | add) / length;
def recall: (.text_to_video["recall@10"] + .video_to_text["recall@10"]) / 2;
$r[0] as $all | [$all[]] as $cells | $s[0] as $sum |
near($sum.best_performance["highest_avg_recall@10"].value; [$cells[] | recall] | max) and
near($all[$sum.best_performance["highest_avg_recall@10"].experiment] | recall; [$cells[] | recall] | max) and
near($sum.best_performance.fastest_retrieval.value; [$cells[].queries_per_second] | max) and
near($sum.best_performance.most_memory_efficient.value; [$cells[] | .memory_usage_mb / .config.num_queries] | min) and
($sum.best_performance.most_memory_efficient.config == {dim: 16, precision: "binary", candidates: 12}) and
near($sum.groups.dim["48"]["avg_recall@10"]; $sum.performance_by_dim["48"]) and
near($sum.performance_by_dim["48"]; [$cells[] | select(.config.embedding_dim == 48)] | mean(recall)) and
near($sum.groups.precision.int8.avg_mrr; [$cells[] | select(.config.precision == "int8")] | mean((.text_to_video.mrr + .video_to_text.mrr) / 2)) and
near($sum.performance_by_candidates.full; [$cells[] | select(.config.full)] | mean(recall)) and
near($sum.speed_by_candidates["25"]; [$cells[] | select(.config.candidate_size == 25)] | mean(.queries_per_second)) and
near($sum.memory_by_precision.fp32; [$cells[] | select(.config.precision == "fp32")] | mean(.memory_usage_mb / .config.num_queries))
JQ
t "summary: every figure is that of the results" jq -n -e --slurpfile r a/experiment_results.json --slurpfile s a/experiment_summary.json -f same.jq
t "detailed_results.csv: the document's columns" [ "$(head -1 a/detailed_results.csv)" = "experiment,embedding_dim,precision,candidate_size,num_samples,t2v_recall@10,v2t_recall@10,avg_recall@10,t2v_mrr,v2t_mrr,avg_mrr,t2v_ndcg@10,v2t_ndcg@10,avg_ndcg@10,t2v_time,v2t_time,total_time,memory_usage_mb,queries_per_second,mb_per_query" ]
row() { grep "^dim_48_prec_int8_cand_25," a/detailed_results.csv | cut -d, -f"$1"; }
t "detailed_results.csv: a row is its cell" jq -e --argjson recall "$(row 6)" --argjson mrr "$(row 10)" --argjson time "$(row 17)" --argjson qps "$(row 19)" \
  '.dim_48_prec_int8_cand_25 | .text_to_video["recall@10"] == $recall and .video_to_text.mrr == $mrr and .timing.total_time == $time and .queries_per_second == $qps' a/experiment_results.json
t "summary_by_candidate.csv" bash -c '[ "$(cut -d, -f1 a/summary_by_candidate.csv | tr "\n" " ")" = "candidate_size 12 25 full " ] && head -1 a/summary_by_candidate.csv | grep -qx "candidate_size,avg_recall@10,avg_mrr"'
for f in experiment_analysis summary_recall10 summary_mrr pareto; do
	t "$f.png is a picture, .gp and .dat beside it" bash -c "[ \$(head -c 4 a/$f.png | tail -c 3) = PNG ] && [ -s a/$f.gp ] && [ -s a/$f.dat ]"
done
t "the page holds four pictures and needs no file" bash -c '[ $(grep -c "data:image/png;base64,iVBOR" a/experiment_report.html) = 4 ] && ! grep -qE "(src|href)=\"[^d]" a/experiment_report.html && grep -q dim_48_prec_int8_cand_25 a/experiment_report.html'
t "the front: nothing on it is beaten" jq -n -e --slurpfile r a/experiment_results.json --slurpfile s a/experiment_summary.json 'def v: [(.text_to_video["recall@10"] + .video_to_text["recall@10"]) / 2, -.timing.total_time, -.memory_usage_mb];
  $r[0] as $all | ($s[0].pareto_front | length > 0) and ([$all | to_entries[] | .key as $k | .value as $c | {on: ($s[0].pareto_front | index($k) != null),
  beaten: ([$all[] | select((.config.candidate_size == $c.config.candidate_size) and (.config.full == $c.config.full)) | select(. != $c) | (v as $b | ($c | v) as $x | ([range(3)] | all($b[.] >= $x[.])) and ($b != $x))] | any)}] | all(.on != .beaten))'
t "other cut-off" bash -c "$BIN/analyze -f -d a --recall-k 5 --output-path five/s.json --no-plots --json | jq -e '.best_performance | has(\"highest_avg_recall@5\")' && grep -q t2v_recall@5 five/detailed_results.csv"
expect_err "no recall@7.*recall@10" "a cut-off that is not there" $BIN/analyze -f -d a --recall-k 7 --no-plots
t "sorted, columns chosen" bash -c "$BIN/analyze -f -d a --no-plots --sort 'avg_recall@10 desc' --format csv --drop 'mrr|chance' --keep kernel > t.csv && ! head -1 t.csv | grep -q mrr && head -1 t.csv | grep -q kernel && tail -n +2 t.csv | cut -d, -f4 | sort -c -t, -g -r"
t "only what changes" bash -c "! $BIN/analyze -f -d a --no-plots --keep num_samples --only-changed --format csv | head -1 | grep -q num_samples"
expect_err "no column 'avg_recal'.*avg_recall@10" "unknown column" $BIN/analyze -f -d a --no-plots --sort avg_recal
expect_err "regular expression" "bad expression" $BIN/analyze -f -d a --no-plots --keep '('

# --- comparison ----------------------------------------------------------------------------------------------------------------------------------------------
t "compare: sign is b minus a, both ways, and it is tested" bash -c "$BIN/analyze --compare a b --json > ab.json && $BIN/analyze --compare b a --json > ba.json && jq -n -e --slurpfile x ab.json --slurpfile y ba.json '\$x[0] as \$x | \$y[0] as \$y |
  (\$x.experiments | length) == 8 and \$x.only_a == 10 and \$x.untested == null and ([range(8)] | all(\$x.experiments[.].difference == -\$y.experiments[.].difference)) and
  (\$x.experiments | all(.difference == .b - .a and .low <= .difference and .difference <= .high and .p_holm <= 1 and .p_holm > 0)) and
  (\$x.experiments | map(select(.experiment | test(\"fp32\"))) | all(.difference == 0 and .p_holm == 1))'"
mkdir c; cp b/experiment_results.json b/experiment_results.meta.json c
t "compare without per-query data: differences, said to be without test" bash -c "$BIN/analyze --compare a c --json 2> err | jq -e '.untested and (.experiments | all(.low == null and .p_holm == null))' && grep -q 'without test' err"

# --- synthetic data are marked wherever a table or figure goes ---------------------------------------------------------------------------------------------------
mkdir s; cp a/experiment_results.json s; jq '.synthetic = true' a/experiment_results.meta.json > s/experiment_results.meta.json
t "a grid of synthetic data" bash -c "$BIN/analyze -f -d s > s.txt 2> /dev/null && $BIN/analyze -f -d s --no-plots --format csv 2> /dev/null > s.csv"
marked() { for f in s.txt s/experiment_table.md s/experiment_table.tex s/experiment_report.html s/experiment_analysis.gp s/summary_recall10.gp s/summary_mrr.gp s/pareto.gp; do grep -qi "synthetic data" "$f" || { echo "$f"; return 1; }; done
	for f in s.csv s/detailed_results.csv s/summary_by_candidate.csv; do head -1 "$f" | grep -q ',synthetic$' && [ "$(tail -n +2 "$f" | grep -vc ',true$')" = 0 ] || { echo "$f"; return 1; }; done; }
t "is marked as such in every file" marked
unmarked() { ! grep -qi synthetic a/*.csv a/*.md a/*.tex a/*.gp; }
t "one of real data is not" unmarked
t "a comparison says it too" bash -c "$BIN/analyze --compare a s --json 2> err | jq -e .synthetic && grep -q 'synthetic data' err && $BIN/analyze --compare a s --format md 2> /dev/null | grep -q 'Synthetic data'"

# --- fonts, the user's own settings of gnuplot ---------------------------------------------------------------------------------------------------------------------
if command -v fc-match > /dev/null; then
	printf '<?xml version="1.0"?><fontconfig><dir>%s/nothing</dir></fontconfig>' "$PWD" > fonts.conf; rm -f s/*.png
	expect_err "fonts-dejavu-core" "without fonts nothing is drawn, and it is said" env FONTCONFIG_FILE="$PWD/fonts.conf" $BIN/analyze -f -d s
	t "no picture without its texts is left" test ! -e s/experiment_analysis.png
else
	skip "fonts" "needs fc-match"
fi
mkdir home; echo 'set terminal dumb; exit status 3' > home/.gnuplot
t "the user's .gnuplot does not matter" env HOME="$PWD/home" $BIN/analyze -f -d s

# --- what is wrong with a grid ---------------------------------------------------------------------------------------------------------------------------------
t "the table is there in Markdown and in LaTeX" bash -c "grep -q '^| experiment' a/experiment_table.md && grep -q tabular a/experiment_table.tex"
t "no timing: said, everything else is there" bash -c "$BIN/analyze -f -d b > /dev/null 2> err && grep -q 'no timing' err && jq -e '.best_performance.fastest_retrieval == null' b/experiment_summary.json"
mkdir chance public bad
jq '{dim_512_prec_fp16_cand_100: {text_to_video: {"recall@10": 0.101, mrr: 0.05, "ndcg@10": 0.04}, video_to_text: {"recall@10": 0.099, mrr: 0.05, "ndcg@10": 0.04},
  timing: {text_to_video_time: 1, video_to_text_time: 1, total_time: 2}, memory_usage_mb: 1, config: {embedding_dim: 512, precision: "weird9", candidate_size: 100, num_queries: 1000}},
  dim_512_prec_fp16_cand_200: {error: "out <b>of</b> memory"}, dim_1_prec_x_cand_3: 7,
  dim_512_prec_fp16_cand_300: {text_to_video: {"recall@10": 1e300, mrr: 0}, video_to_text: {"recall@10": 0, mrr: 0}, config: {embedding_dim: 512, precision: "fp16", candidate_size: 300}}}' <<< '{}' > public/experiment_results.json
t "the source project's file: at chance, unknown precision, failures listed" bash -c "$BIN/analyze -f -d public > /dev/null 2> err && grep -q 'at chance: 1 of 1' err && grep -q '3 of 4 experiments failed' err && grep -q 'cand_300.*1e+300' err &&
  jq -e '.total_experiments == 1 and .failed_experiments == 3 and .precisions == [\"weird9\"]' public/experiment_summary.json && grep -q 'out &lt;b&gt;of' public/experiment_report.html"
jq 'map_values(.text_to_video.tie_fraction = 0.9)' a/experiment_results.json > chance/experiment_results.json
jq '.synthetic = true' a/experiment_results.meta.json > chance/experiment_results.meta.json
t "ties and synthetic data are said" bash -c "$BIN/analyze -f -d chance --no-plots > /dev/null 2> err && grep -q 'degenerate ties: in 18 of 18' err && grep -q synthetic err"
# chance itself, its interval an ulp or so above it as a mean of resamples rounds
jq 'map_values(.random_baseline as $r | .text_to_video += $r.text_to_video | .video_to_text += $r.video_to_text | .ci95 = ($r | map_values(map_values([. * (1 + 4e-16), . * (1 + 4e-16)]))))' a/experiment_results.json > chance/experiment_results.json
t "exactly at chance is at chance" bash -c "$BIN/analyze -f -d chance --no-plots > /dev/null 2> err; grep -q 'at chance: 18 of 18' err || { cat err; false; }"
expect_err "not a folder" "no folder" $BIN/analyze -f -d nowhere
expect_err "run-experiments" "no results" $BIN/analyze -f -d bad
head -c 700 a/experiment_results.json > bad/experiment_results.json
expect_err "experiment_results.json" "truncated" $BIN/analyze -f -d bad
for j in '[]' '{}' '3' '{"a": []}' '{"a": {"config": {"embedding_dim": 1e300, "precision": "x", "candidate_size": -1}}}' '{"x": {"error": 5}}'; do
	echo "$j" > bad/experiment_results.json
	expect_err "holds no experiments|all . experiments" "hostile: $j" $BIN/analyze -f -d bad
done
t "nothing was written for those" [ ! -e bad/experiment_summary.json ]
expect_exit 2 "no results named" $BIN/analyze
expect_exit 2 "compare takes two" $BIN/analyze --compare a

# --- nothing that existed is lost ----------------------------------------------------------------------------------------------------------------------
mkdir slip && printf '{"dim_4_prec_fp32_cand_9": {"text_to_video": {"recall@10": 1, "mrr": 1, "ndcg@10": 1}, "video_to_text": {"recall@10": 1, "mrr": 1, "ndcg@10": 1}, "config": {"embedding_dim": 4, "precision": "fp32", "candidate_size": 9, "num_queries": 9}}}' > slip/experiment_results.json
cp slip/experiment_results.json slip.kept
expect_err "no summary of analyze" "--output-path that names the results is refused" "$BIN/analyze" --no-track --results-dir slip --output-path slip/experiment_results.json
t "and they are as they were" cmp slip/experiment_results.json slip.kept
