#!/usr/bin/env bash
# JPEG file -> resized, cropped, normalised floats on one core, images/s: against Pillow (with NumPy) and torchvision, in turn, medians over ROUNDS. limit: images/s of our decoding
# alone (libjpeg-turbo), which nobody who uses it can pass. The pictures are the peer script's own (640x480, quality 90, made by it in PEERS_DIR).
B=build/bench/bench_preprocess; PEER=${ITR_SHARED:?}/peers/peer_clip_vitb32.py; DIR=${PEERS_DIR:?}/data/jpg640_q90; IMAGES=${IMAGES:-128}
[ -x "$B" ] || { echo "$0: $B is not built: make bench-encode" >&2; exit 1; }
peer() { "$PEERS_PYTHON" "$PEER" decode --mode "$1" --procs 1 --threads 1 --images "$IMAGES" --json 2>/dev/null | tail -n 1; }
if [ -z "${PEERS_PYTHON:-}" ] || [ ! -f "$PEER" ]; then
	[ -d "$DIR" ] || { echo "$0: no pictures in '$DIR' and no PEERS_PYTHON to make them" >&2; exit 0; }
	PEERS_PYTHON=
fi
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
touch "$tmp"/{ours,fast,pil,tv,pil_draft}
[ -z "$PEERS_PYTHON" ] || peer pil > /dev/null          # makes the pictures
for _ in $(seq "${ROUNDS:-3}"); do
	"$B" "$DIR" clip 1 5 >> "$tmp/ours"; "$B" "$DIR" clip 1 5 fast >> "$tmp/fast"
	[ -z "$PEERS_PYTHON" ] || for m in pil tv pil_draft; do peer $m >> "$tmp/$m"; done
done
line() {  # NAME, ours, the peer's
	jq -nc --arg name "$1" --slurpfile o "$tmp/$2" --slurpfile p "$tmp/$3" '
		def median: if length > 0 then sort | .[length / 2 | floor] else null end; def r(d): if . then . * d | round / d else null end;
		($o | map(.images_per_s_median) | median) as $a | ($p | map(.images_per_s_median) | median) as $b |
		{case: $name, ours: ($a | r(1)), peer: ($b | r(1)), ratio: (if $b then $a / $b | r(100) else null end), limit: ($o | map(.limit_images_per_s) | median | r(1)),
		 decode_ms: ($o | map(.decode_ms) | median), resize_normalize_ms: ($o | map(.resize_normalize_ms) | median), kernel: $o[0].kernel, threads: 1, unit: "images/s; limit: decoding alone"}'
}
line "preprocess clip 640x480 / Pillow" ours pil
line "preprocess clip 640x480 / torchvision" ours tv
line "preprocess clip 640x480 --fast-decode / Pillow draft" fast pil_draft
