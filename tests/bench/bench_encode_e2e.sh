#!/usr/bin/env bash
# JPEG files -> CLIP ViT-B/32 vectors in int8, images/s: bin/extract-features against ONNX Runtime fed by Pillow (the peer script's ort_e2e, without and with worker processes, the better one), in
# turn, medians over ROUNDS. ours: the steady rate, from runs over the pictures once and four times; whole: over the pictures once, start and reading of the weights included. limit: what two
# threads could do if decoding (libjpeg-turbo) and multiply-adds at peak were all. The pictures are the peer script's own (640x480, quality 90), the weights random ones of true size.
B=bin/extract-features; PEER=${ITR_SHARED:?}/peers/peer_clip_vitb32.py; DIR=${PEERS_DIR:?}/data/jpg640_q90; W=$PEERS_DIR/clip-vit-b32; J=${THREADS:-2}; PYTHON=${PEERS_PYTHON:-python3}
NAME="clip-vit-b32 int8 from JPEG"
[[ $NAME =~ ${CASES:-.} ]] || exit 0
[ -x "$B" ] && [ -x build/bench/bench_towers ] || { echo "$0: $B and build/bench/bench_towers are not built: make bench-encode" >&2; exit 1; }
if [ -n "${PEERS_PYTHON:-}" ] && [ -f "$PEER" ]; then
	"$PEERS_PYTHON" "$PEER" decode --images 256 --json > /dev/null 2>&1         # makes the pictures
	[ -f "$W/config.json" ] || (cd tests/interop/lib && "$PEERS_PYTHON" -c 'import sys, random_weights; random_weights.write("clip-vit-b32", sys.argv[1])' "$W")
	PEER_RUNS="1 2"
else
	PEER_RUNS=
fi
[ -f "$W/config.json" ] && [ -d "$DIR" ] || { echo "$0: no pictures and weights in '$PEERS_DIR' and no PEERS_PYTHON to make them" >&2; exit 0; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
touch "$tmp"/{ours,peer,towers,decode}
manifest() {   # TIMES: every picture so many times
	(cd "$DIR" && ls -- *.jpg) | jq -Rnc --argjson times "$1" '[inputs] as $f | range($times) as $k | $f[] | {id: "\($k)-\(.)", image: ., captions: [], synthetic: true}'
}
manifest 1 > "$tmp/1.jsonl"; manifest 4 > "$tmp/4.jsonl"
run() {   # TIMES: {images, seconds, rss_mb} of one process
	"$PYTHON" - "$B" --image-encoder clip-vit-b32 --image-weights "$W" --precision int8 --root "$DIR" "$tmp/$1.jsonl" -o "$tmp/$1.h5" -f -q -j "$J" --no-track <<-'P'
		import json, resource, subprocess, sys, time
		t = time.perf_counter()
		subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
		t = time.perf_counter() - t
		manifest = next(a for a in sys.argv if a.endswith(".jsonl"))
		print(json.dumps(dict(images=sum(1 for _ in open(manifest)), seconds=t, rss_mb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)))
	P
}
for _ in $(seq "${ROUNDS:-3}"); do
	jq -nc --argjson a "$(run 1)" --argjson b "$(run 4)" '{whole: ($a.images / $a.seconds), steady: (($b.images - $a.images) / ($b.seconds - $a.seconds)), rss: $b.rss_mb}' >> "$tmp/ours"
	for p in $PEER_RUNS; do "$PEERS_PYTHON" "$PEER" ort_e2e --mode int8 --batch 32 --procs "$p" --threads "$J" --json 2>/dev/null | tail -n 1 | jq -c --argjson p "$p" '. + {procs: $p}' >> "$tmp/peer"; done
	build/bench/bench_towers clip-vit-b32 image int8 32 0 "$J" 1 >> "$tmp/towers"; build/bench/bench_preprocess "$DIR" clip 1 2 >> "$tmp/decode"
done
jq -nc --arg name "$NAME" --argjson j "$J" --slurpfile o "$tmp/ours" --slurpfile p "$tmp/peer" --slurpfile w "$tmp/towers" --slurpfile d "$tmp/decode" '
	def median: if length > 0 then sort | .[length / 2 | floor] else null end; def r(d): if . then . * d | round / d else null end;
	($o | map(.steady) | median) as $a | ($p | group_by(.procs) | map({procs: .[0].procs, rate: (map(.images_per_s_median) | median), rss: (map(.peak_rss_mb) | max)}) | max_by(.rate)) as $best |
	($w | map(.gflop / .batch) | max) as $each | ($w | map(.peak_gflops) | max) as $peak |
	{case: $name, ours: ($a | r(10)), peer: ($best.rate | r(10)), ratio: (if $best then $a / $best.rate | r(100) else null end), whole: ($o | map(.whole) | median | r(10)),
	 best_peer: (if $best then "ort_e2e --mode int8 --procs \($best.procs)" else null end), gflops: ($a * $each | r(1)), peak_gflops: ($peak | r(1)), percent_of_peak: ($a * $each / $peak * 100 | r(10)),
	 limit: (1 / ($each / $peak + 1 / ($j * ($d | map(.limit_images_per_s) | median))) | r(1)), spread: (($o | map(.steady) | max - min) / $a | r(100)),
	 peak_rss_mb: ($o | map(.rss) | max), peer_peak_rss_mb: $best.rss, threads: $j, unit: "images/s; limit: decoding and multiplying alone"}'
