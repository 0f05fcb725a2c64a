#!/usr/bin/env bash
# Towers in inference against PyTorch and ONNX Runtime, in turn, medians over ROUNDS; ratio: to the best of the peers. limit: the multiply-add peak of this machine in GFLOP/s, measured by each run.
# CASES: a regular expression that chooses. SECONDS_EACH: of our runs. A peer "own ...": bench_towers itself, at another precision.
B=build/bench/bench_towers; PEERS=${ITR_SHARED:?}/peers; J=${THREADS:-2}; S=${SECONDS_EACH:-3}
[ -x "$B" ] || { echo "$0: $B is not built: make bench-encode" >&2; exit 1; }
peer() { [ -n "${PEERS_PYTHON:-}" ] && [ -d "$PEERS" ] && "$PEERS_PYTHON" "$PEERS/$1" "${@:2}" --threads "$J" --json 2>/dev/null | tail -n 1; }
another() {   # a peer's line
	# shellcheck disable=SC2086
	case $1 in "own "*) "$B" ${1#own } "$J" "$S" ;; *) peer $1 ;; esac
}
one() {   # NAME, "our arguments", then one "script arguments" a peer
	local name=$1 ours=$2; shift 2
	[[ $name =~ ${CASES:-.} ]] || return 0
	local tmp; tmp=$(mktemp -d); touch "$tmp/peers"
	for _ in $(seq "${ROUNDS:-3}"); do
		# shellcheck disable=SC2086
		"$B" $ours "$J" "$S" >> "$tmp/ours"
		for p in "$@"; do
			line=$(another "$p"); [ -n "$line" ] && jq -c --arg p "$p" '. + {command: $p}' <<< "$line" >> "$tmp/peers"
		done
	done
	jq -nc --arg name "$name" --slurpfile o "$tmp/ours" --slurpfile p "$tmp/peers" '
		def median: if length > 0 then sort | .[length / 2 | floor] else null end; def r(d): if . then . * d | round / d else null end;
		($o | map(.items_per_s_median) | median) as $a |
		($p | group_by(.command) | map({command: .[0].command, rate: (map(.items_per_s_median) | median), rss: (map(.peak_rss_mb) | max)}) | max_by(.rate)) as $best |
		{case: $name, ours: ($a | r(100)), peer: ($best.rate | r(100)), ratio: (if $best then $a / $best.rate | r(100) else null end), best_peer: $best.command,
		 gflops: ($o | map(.gflops_median) | median | r(1)), limit: ($o | map(.peak_gflops) | max | r(1)), percent_of_peak: ($o | map(.percent_of_peak) | median | r(10)),
		 spread: (($o | map(.items_per_s_median) | max - min) / $a | r(100)), peak_rss_mb: ($o | map(.peak_rss_mb) | max), peer_peak_rss_mb: $best.rss, unit: "items/s; limit: GFLOP/s"}'
	rm -rf "$tmp"
}
C=peer_clip_vitb32.py R=peer_resnet50_bert.py D=peer_dual_encoder.py
one "clip-vit-b32 image fp32 b32" "clip-vit-b32 image fp32 32 0" "$C image --batch 32" "$C ort_image --batch 32"
one "clip-vit-b32 image fp32 b1" "clip-vit-b32 image fp32 1 0" "$C image --batch 1 --steps 30" "$C ort_image --batch 1 --steps 30"
one "clip-vit-b32 image bf16 b32" "clip-vit-b32 image bf16 32 0" "$C image --mode bf16 --batch 32"
one "clip-vit-b32 text fp32 b32, 77 tokens" "clip-vit-b32 text fp32 32 77" "$C text --batch 32" "$C ort_text --batch 32"
one "clip-vit-b32 text fp32 b1, 77 tokens" "clip-vit-b32 text fp32 1 77" "$C text --batch 1 --steps 30" "$C ort_text --batch 1 --steps 30"
one "clip-vit-b32 text bf16 b32, 77 tokens" "clip-vit-b32 text bf16 32 77" "$C text --mode bf16 --batch 32"
one "bert text fp32 b32, 32 tokens" "bert text fp32 32 32" "$R bert --batch 32" "$R ort_bert --batch 32"
one "bert text bf16 b32, 32 tokens" "bert text bf16 32 32" "$R bert --mode bf16 --batch 32"
one "clip-vit-b32 image int8 b32" "clip-vit-b32 image int8 32 0" "$C ort_image --mode int8 --batch 32"
one "bert text int8 b32, 32 tokens" "bert text int8 32 32" "$R ort_bert --mode int8 --batch 32"
one "clip-vit-b32 image int8 b1" "clip-vit-b32 image int8 1 0" "$C ort_image --mode int8 --batch 1 --steps 60"
one "resnet50 image fp32 b32" "resnet50 image fp32 32 0" "$R ort_resnet --batch 32"
one "resnet50 image fp32 b1" "resnet50 image fp32 1 0" "$R ort_resnet --batch 1 --steps 60"
one "resnet50 image int8 b32 / its fp32" "resnet50 image int8 32 0" "own resnet50 image fp32 32 0"
one "mobilenet-v3-small image fp32 b32" "mobilenet-v3-small image fp32 32 0" "$D ort_image --batch 32 --steps 60"
one "mobilenet-v3-small image fp32 b1" "mobilenet-v3-small image fp32 1 0" "$D ort_image --batch 1 --steps 1000"
