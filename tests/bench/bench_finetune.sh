#!/usr/bin/env bash
# A fine-tuning step from pixels and words, ours against PyTorch's in turn (PEERS_PYTHON: a python with torch; ITR_SHARED: see run): one JSON line a case. ratio: peer's median over ours, medians
# over ROUNDS interleaved rounds, of the peer's best mode; spread: (slowest - fastest round) / median; limit: GFLOP/s of our own 2,048 cubed product in the same minute. CASES: a regular expression
# that chooses. STEPS: of a round.
cd "$(dirname "$0")/../.." || exit 1
B=build/bench/bench_finetune T=build/bench/bench_train; PEERS=${ITR_SHARED:-$(cd .. && pwd)/shared}/peers; J=${THREADS:-2} S=${STEPS:-6}
[ -x "$B" ] && [ -x "$T" ] || { echo "bench_finetune.sh: $B or $T is not built: make bench-train" >&2; exit 1; }
peer() { [ -n "${PEERS_PYTHON:-}" ] && [ -d "$PEERS" ] && "$PEERS_PYTHON" "$PEERS/$1" "${@:2}" --threads "$J" --steps "$S" --json 2>/dev/null | tail -n 1; }
one() {   # NAME, "our arguments", precision, then one "script arguments" a mode of the peer
	local name=$1 ours=$2 precision=$3; shift 3
	[[ $name =~ ${CASES:-.} ]] || return 0
	local tmp; tmp=$(mktemp -d); touch "$tmp/peers"
	for _ in $(seq "${ROUNDS:-3}"); do
		# shellcheck disable=SC2086
		"$B" $ours "$J" "$S" >> "$tmp/ours"; "$T" peak 0 0 "$precision" "$J" >> "$tmp/peak"
		for p in "$@"; do
			# shellcheck disable=SC2086
			line=$(peer $p); [ -n "$line" ] && jq -c --arg p "$p" '. + {command: $p}' <<< "$line" >> "$tmp/peers"
		done
	done
	jq -nc --arg name "$name" --slurpfile o "$tmp/ours" --slurpfile p "$tmp/peers" --slurpfile k "$tmp/peak" --argjson threads "$J" '
		def median: if length > 0 then sort | .[length / 2 | floor] else null end; def r(d): if . then . * d | round / d else null end;
		def spread: if length > 0 then (max - min) / median | r(100) else null end;
		($o | map(.median_ms)) as $a | ($o | map(.peak_rss_mb) | max) as $rss | ($k | map(.gflops) | max) as $peak | ($o | map(.gflops_median) | median) as $g |
		($p | group_by(.command) | map({command: .[0].command, all: map(.median_ms), ms: (map(.median_ms) | median), rss: (map(.peak_rss_mb) | max)}) | min_by(.ms)) as $best |
		($p | map(select(.command == $best.command) | .items_per_s_median // .samples_per_s_median) | median) as $rate |
		{case: $name, ours: ($o | map(.items_per_s_median) | median | r(100)), peer: ($rate | r(100)), ms: ($a | median | r(10)), peer_ms: ($best.ms | r(10)), ratio: (if $best then $best.ms / ($a | median) | r(100) else null end), spread: ($a | spread), peer_spread: (if $best then $best.all | spread else null end),
		 best_peer: $best.command, gflops: ($g | r(1)), limit: ($peak | r(1)), percent_of_peak: ($g / $peak * 100 | r(1)), peak_rss_mb: $rss, peer_peak_rss_mb: $best.rss,
		 memory_ratio: (if $best then $rss / $best.rss | r(100) else null end), threads: $threads, unit: "items/s; limit: GFLOP/s"}'
	rm -rf "$tmp"
}
R=peer_resnet50_bert.py D=peer_dual_encoder.py
one "finetune resnet50 + bert b16 fp32" "resnet50 bert fp32 16 32" fp32 "$R finetune --mode nhwc --batch 16" "$R finetune --batch 16"
one "finetune resnet50 + bert b16 bf16" "resnet50 bert bf16 16 32" bf16 "$R finetune --mode bf16 --batch 16" "$R finetune --mode compile_bf16 --batch 16"
one "finetune mobilenet-v3-small + lstm b32 fp32" "mobilenet-v3-small lstm-peer fp32 32 64" fp32 "$D train --mode nhwc --batch 32" "$D train --mode compile --batch 32"
one "finetune mobilenet-v3-small + lstm b32 bf16" "mobilenet-v3-small lstm-peer bf16 32 64" bf16 "$D train --mode bf16 --batch 32"
