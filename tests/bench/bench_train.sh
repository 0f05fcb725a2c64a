#!/usr/bin/env bash
# One training step of document 003's and 000's models, ours against PyTorch's in turn: one JSON line a case with samples/s (medians over ROUNDS rounds of each, so that both see the
# same neighbours on a shared machine), ratio, GFLOP/s and % of what our own matrix product reaches in the same minute. PEERS_PYTHON: a python with torch; ITR_SHARED: see run.
cd "$(dirname "$0")/../.." || exit 1
B=build/bench/bench_train; PEERS=${ITR_SHARED:-$(cd .. && pwd)/shared}/peers; ROUNDS=${ROUNDS:-3}; J=${THREADS:-2}
[ -x "$B" ] || { echo "bench_train.sh: $B is not built: make bench-train" >&2; exit 1; }
peer() { [ -n "${PEERS_PYTHON:-}" ] && [ -d "$PEERS" ] && "$PEERS_PYTHON" "$PEERS/$1" "${@:2}" --threads "$J" --json 2>/dev/null | tail -n 1; }
one() {   # NAME, our arguments, -- , the peer's
	name=$1; shift; ours=(); while [ "$1" != -- ]; do ours+=("$1"); shift; done; shift
	tmp=$(mktemp -d)
	for _ in $(seq "$ROUNDS"); do
		"$B" "${ours[@]}" "$J" >> "$tmp/ours"; "$B" peak 0 0 "${ours[3]}" "$J" >> "$tmp/peak"; peer "$@" >> "$tmp/peer"
	done
	jq -nc --arg name "$name" --slurpfile o "$tmp/ours" --slurpfile k "$tmp/peak" --slurpfile p "$tmp/peer" --argjson threads "$J" '
		def median: if length > 0 then sort | .[length / 2 | floor] else null end; def r(d): if . then . * d | round / d else null end;
		($o | map(.samples_per_s_median) | median) as $a | ($p | map(.samples_per_s_median // .items_per_s_median) | median) as $b |
		($o | map(.gflops_median) | median) as $g | ($k | map(.gflops) | max) as $peak |
		{case: $name, ours: ($a | r(1)), peer: ($b | r(1)), ratio: (if $b then $a / $b | r(100) else null end), ms: ($o | map(.median_ms) | median | r(100)), peer_ms: ($p | map(.median_ms) | median | r(100)),
		 gflops: ($g | r(1)), limit: ($peak | r(1)), percent_of_peak: ($g / $peak * 100 | r(1)), extra_mb: ($o | map(.extra_mb) | max), peak_rss_mb: ($o | map(.peak_rss_mb) | max),
		 peer_peak_rss_mb: ($p | map(.peak_rss_mb) | max), kernel: $o[0].kernel, threads: $threads, unit: "samples/s; limit: GFLOP/s of our own product"}'
	rm -rf "$tmp"
}
one "train residual-mlp b256 fp32 / eager" residual-mlp 256 "${STEPS:-30}" fp32 -- peer_residual_mlp.py --batch 256 --steps "${STEPS:-30}" --mode eager
[ -n "${QUICK:-}" ] || one "train residual-mlp b256 fp32 / compile" residual-mlp 256 "${STEPS:-30}" fp32 -- peer_residual_mlp.py --batch 256 --steps "${STEPS:-30}" --mode compile
one "train residual-mlp b256 bf16 / bf16" residual-mlp 256 "${STEPS:-30}" bf16 -- peer_residual_mlp.py --batch 256 --steps "${STEPS:-30}" --mode bf16
one "train heads b128 fp32 / eager" heads 128 200 fp32 -- peer_resnet50_bert.py heads --batch 128
