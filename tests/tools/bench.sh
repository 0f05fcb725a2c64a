#!/usr/bin/env bash
# The benchmark programs at their smallest: each prints one JSON line with the keys that tests/bench reads, and make bench makes a table of it. No figure is compared.
. "$(dirname "$0")/../lib.sh"
B=$ROOT/build/bench; export OMP_NUM_THREADS=1
[ -z "${SANITIZE:-}" ] || { skip "benchmarks" "the sanitizer build is not measured"; exit 0; }
command -v jq >/dev/null || { skip "benchmarks" "needs jq"; exit 0; }
# line KEYS COMMAND...: one line, an object, whose KEYS are there and whose first one is a positive number
line() { local keys=$1; shift; "$@" > out && [ "$(wc -l < out)" = 1 ] && jq -e --arg keys "$keys" '. as $o | ($keys / " ") as $k | ($o[$k[0]] | numbers) > 0 and ($k | all(in($o)))' out; }
t "bench_rank" line "ours case limit ratio kernel" "$B/bench_rank" 60 20 8 1
t "bench_gemm" line "itr_gflops openblas_gflops itr_packed_gflops shape m n k threads" "$B/bench_gemm" 11 cpu
t "bench_packed" line "gflops shape m n k precision kernel threads" "$B/bench_packed" 11 0 1
t "bench_train" line "median_ms samples_per_s_median gflops_median extra_mb peak_rss_mb kernel" "$B/bench_train" heads 8 2 fp32 1
t "bench_finetune" line "median_ms items_per_s_median gflops_median tape_mb peak_rss_mb" "$B/bench_finetune" mobilenet-v3-small lstm-peer fp32 2 4 1 1
t "bench_towers" line "median_ms items_per_s_median gflops_median peak_gflops percent_of_peak packing_ms peak_rss_mb" "$B/bench_towers" mobilenet-v3-small image fp32 1 0 1 0.01
mkdir pictures && cp "$ROOT"/tests/data/images/rgb.jpg pictures
t "bench_preprocess" line "images_per_s_median images_per_s_best decode_ms resize_normalize_ms limit_images_per_s kernel" "$B/bench_preprocess" pictures clip 1 1
table() { RESULTS=$TMP/lines.jsonl BENCHES=$1 BENCH_GEMM="11 cpu" BENCH_RANK="60 20 8 1" BENCH_N=2000 BENCH_THREADS=1 BENCH_SECONDS=0.01 BENCH_CASES="fp32" PEERS_PYTHON= bash "$ROOT/tests/bench/run" > table 2>&1 &&
	jq -es 'length > 0 and all(.[]; (.case | type) == "string" and (.ours | type) == "number")' lines.jsonl && [ "$(grep -cE "^$2 .* [0-9]" table)" -gt 0 ] || { cat table; return 1; }; }
t "the table of gemm" table gemm "gemm small"
t "the table of rank" table rank "rank 60x20x8"
t "the table of search" table search ".*fp32"
none() { RESULTS=$TMP/lines.jsonl BENCHES=rank BENCH_RANK="60 20 8 1" PATH=$TMP/path:$PATH bash "$ROOT/tests/bench/run"; }
mkdir path; printf '#!/bin/sh\ncat > /dev/null\n' > path/jq; chmod +x path/jq
expect_err "nothing was measured" "a benchmark without a line is a failure" none
goals() { make -C "$ROOT" -n bench BENCHES=rank > plan 2>&1 && grep -q tests/bench/run plan || { tail -n 5 plan; return 1; }; }
t "make bench BENCHES=rank names what runs, not what is built" goals
