#!/usr/bin/env bash
# record.sh - what the programs write, as checksums: for a change that must not alter results.
#   tests/record.sh BIN OUT [SECTION...]     runs the programs in BIN (of any build, older ones too) with one thread and with two -> OUT/j1, OUT/j2, OUT/SUMS
#   tests/record.sh --sums OUT               writes OUT/SUMS again
#   tests/record.sh --compare OLD NEW        each output that differs and what differs in it; arrays and attributes by PYTHON (python3 with numpy and h5py), else by name alone
#   diff OLD/SUMS NEW/SUMS                   the comparison
# Sections (default: all): demo, quantization, translation: the make targets on fewer scenes and epochs; real, stamps: the make targets on the Tux Paint stamps, with published towers;
# finetune: towers from scratch and published ones, 2 epochs; models: each kind of model through each program that reads it, on stores and embeddings. Stamps and weights lie in ITR_SHARED
# (default ../shared); what needs them is left out, and said so, where they are absent. About 5 minutes on two free processors.
# Everything is written with --no-provenance, grids with --timing off. Left out of the sums:
#   runs/, run.id              ids and times; RUNS-SECTION.txt holds names, metrics and steps without them
#   .stamps/, .make-lock       times of files, process numbers
#   *.log, *.txt of pipelines  prose (summary.txt, distances.txt); their figures are in the .json, .csv and .npz beside them
#   *.journal                  cells in the order in which they came, checksums of lines
#   *.ckpt.h5                  threads and run; removed, for they are large
#   keys of WALL in .json      seconds, rates, memory, ids; and the folder of the stamps, which is relative to OUT or not
# Pictures are in: the same gnuplot and fonts draw the same bytes. Compare records of one machine, with OUT in the same folder: stores hold paths of pictures, relative where they can be.
set -u
export LC_ALL=C
WALL='run_id|samples_per_second|gflops|peak_rss_mb|tape_mb|loader_wait_share|[a-z_]*_seconds'
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SHARED=$(cd "${ITR_SHARED:-$ROOT/../shared}" 2> /dev/null && pwd)
PYTHON=${PYTHON:-python3}

# --- checksums ------------------------------------------------------------------------------------------------------------------------------------
results() { find j1 j2 -type f ! -path '*/runs/*' ! -path '*/.stamps/*' ! -path '*/.bin/*' ! -name .make-lock ! -name run.id ! -name '*.log' ! -name '*.journal' ! -name summary.txt ! -name distances.txt \
	! -path '*/images/*' | sort; }
sums() {
	(cd "$1" && results | while read -r f; do
		case $f in *.json|*.jsonl) sed -E "s/\"($WALL)\": *[^,}]*,?//g; s|\"[^\"]*/data/stamps/|\"stamps/|g" "$f" ;; *) cat "$f" ;; esac | sha256sum | sed "s|-\$|$f|"
	done > SUMS.new && mv SUMS.new SUMS)
}
# run_lines FOLDER: each run's name, without the piece of its id, and its metrics: value, step
run_lines() {
	find "$1" -mindepth 3 -maxdepth 3 -name metrics | while read -r m; do
		r=${m%/metrics}; id=${r##*/}; name=$(cat "$r/tags/mlflow.runName"); name=${name%-"${id:0:4}"}
		for f in "$m"/*; do
			case ${f##*/} in '*'|*_seconds|*_per_second|peak_rss_mb|gflops) ;; *) sed "s|^[^ ]* |$name ${f##*/} |" "$f" ;; esac
		done
	done | sort
}

# --- what differs ---------------------------------------------------------------------------------------------------------------------------------
compare() {
	local n
	# those of a section that one of them lacks in one line
	diff <(sed 's/^[^ ]* *//' "$1/SUMS") <(sed 's/^[^ ]* *//' "$2/SUMS") | sed -n "s|^< |only in $1: |p; s|^> |only in $2: |p" |
		awk '{ split($4, d, "/"); k = d[3] == "" ? $4 : $1 " " $2 " " $3 " " d[1] "/" d[2] (d[2] == "data" ? "/" d[3] : ""); n[k]++; all[k] = all[k] $0 "\n" }
			END { for (k in n) if (n[k] > 9) print k "/ (" n[k] " files)"; else printf "%s", all[k] }' | sort
	n=$(join -j 2 -o 2.2 -t ' ' <(sed 's/  */ /' "$1/SUMS" | sort -k2) <(sed 's/  */ /' "$2/SUMS" | sort -k2) | wc -l)
	join -j 2 <(sed 's/  */ /' "$1/SUMS" | sort -k2) <(sed 's/  */ /' "$2/SUMS" | sort -k2) | awk '$2 != $3 { print $1 }' > "${TMPDIR:-/tmp}/differs.$$"
	while read -r f; do what "$1/$f" "$2/$f" "$f"; done < "${TMPDIR:-/tmp}/differs.$$"
	echo "$n files, $(wc -l < "${TMPDIR:-/tmp}/differs.$$") differ"
	[ ! -s "${TMPDIR:-/tmp}/differs.$$" ]; n=$?; rm -f "${TMPDIR:-/tmp}/differs.$$"; return $n
}
what() {
	echo "$3"
	case $3 in
	*.json) diff <(jq -r 'paths(scalars) as $p | "\($p | map(tostring) | join(".")) \(getpath($p))"' "$1" | sort) <(jq -r 'paths(scalars) as $p | "\($p | map(tostring) | join(".")) \(getpath($p))"' "$2" | sort) | grep '^[<>]' ;;
	*.csv|*.jsonl|*.gp|*.dat|*.md|*.tex|*.txt|*.tried|*.qrels|*.run) diff "$1" "$2" | grep '^[<>]' | cut -c1-200 ;;
	*.h5|*.npz) "$PYTHON" - "$1" "$2" <<-'PY' || echo "    bytes" ;;
	import sys
	try:
	    import h5py, numpy
	except ImportError:
	    sys.exit(1)
	def of(path):
	    if path.endswith(".npz"):
	        with numpy.load(path) as z:
	            return {k: z[k] for k in z.files}
	    found = {}
	    def visit(name, x):
	        for k, v in x.attrs.items():
	            found[name + "@" + k] = numpy.asarray(v)
	        if isinstance(x, h5py.Dataset):
	            found[name] = x[()]
	    with h5py.File(path, "r") as f:
	        visit("", f)
	        f.visititems(visit)
	    return found
	a, b = of(sys.argv[1]), of(sys.argv[2])
	shown = 0
	for k in sorted(set(a) | set(b)):
	    if k not in b: print("    only in the first:", k)
	    elif k not in a: print("    only in the second:", k)
	    else:
	        x, y = numpy.asarray(a[k]), numpy.asarray(b[k])
	        if x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() and x.dtype != object: continue
	        if x.dtype == object and x.shape == y.shape and (x == y).all(): continue
	        how = "%s %s, %s %s" % (x.dtype, x.shape, y.dtype, y.shape)
	        if x.shape == y.shape and x.dtype.kind in "fiu" and y.dtype.kind in "fiu":
	            how += ": %d of %d, by %g at most" % ((x != y).sum(), x.size, numpy.abs(x.astype("f8") - y.astype("f8")).max() if x.size else 0)
	        elif x.size == 1: how = "%s -> %s" % (str(x)[:300], str(y)[:300])
	        print("    " + k + ":", how)
	    shown += 1
	if not shown: print("    the same arrays: only the layout of the file differs")
	PY
	*) echo "    bytes" ;;
	esac | head -n 30
}

# --- what is recorded: called in OUT/jN; $T threads, programs in .bin -----------------------------------------------------------------------------
pipeline() { make -f "$ROOT/pipelines/$1.mk" -I "$ROOT" BIN=.bin Q=1 "${@:2}"; }
demo() { pipeline demo demo N=400; }
real() { pipeline demo real DATA=stamps; }
quantization() { pipeline quantization quantization N=500 POOLS="20 50" SEEDS="1 2"; }
translation() { pipeline translation translation N=200 EPOCHS=3 MODELS="residual-mlp mlp heads ridge procrustes" SEEDS="1 2" TRAIN_FLAGS="--hidden 64 --batch-size 128"; }
stamps() {
	pipeline stamps stamps DATA=stamps WEIGHTS=weights SEEDS="1 2" CANDIDATES_cca="--dims=256;--power=1;--regularization=0.1,1,10 --dims=256;--power=4;--regularization=0.1,1,10" \
		CANDIDATES_heads="--dropout=0.3" TRY_heads="--monitor val_mean_recall_at_10 --epochs 8 --patience 3"
}
scenes() { [ -d "$1" ] || .bin/fetch-coco --synthetic "$2" --size "$3" --seed 7 "${@:4}" -q -o "$1" > /dev/null; }
finetune() {
	scenes small 60 64 --split-sizes 0.6/0.2/0.2 && mkdir -p finetune && head -n 33 small/manifest.jsonl > small/few.jsonl && local m f="-b 8 -e 2 -q --json"
	tune() { .bin/train --model heads --finetune "${@:2}" $f -o "finetune/$1.h5" > "finetune/$1.train.json"; }
	tune both all --image-encoder mobilenet-v3-small --text-encoder lstm --bn batch small/few.jsonl &&
	tune averaged all --image-encoder mobilenet-v3-small --text-encoder lstm --precision bf16 --accumulate 2 --ema 0.9 --freeze-bn --bn running --augment full small/few.jsonl &&
	tune cached image --image-encoder mobilenet-v3-small --bn running --augment none --grad-cache 3 --monitor val_t2i_recall_at_10 small/few.jsonl &&
	tune text text --text-encoder lstm --image-encoder classic --lr 2e-3 small/manifest.jsonl || return 1
	if [ -d weights ]; then
		.bin/fetch-coco --from sidecar stamps --split-sizes 0.6/0.2/0.2 -o finetune -f -q > /dev/null && head -n 49 finetune/manifest.jsonl > finetune/few.jsonl &&
		tune published image --image-encoder efficientnet-lite0 --image-weights "$IMAGE" --text-encoder bert --text-weights weights/all-MiniLM-L6-v2 --freeze-layers 5 --gradient-checkpointing finetune/few.jsonl &&
		tune words text --image-encoder efficientnet-lite0 --image-weights "$IMAGE" --text-encoder lstm finetune/few.jsonl || return 1
	fi
	for m in finetune/*.train.json; do
		m=${m%.train.json}; case $m in */published|*/words) f=finetune/few.jsonl ;; */text) f=small/manifest.jsonl ;; *) f=small/few.jsonl ;; esac
		.bin/evaluate --model $m.h5 $f --split val --json -q > $m.eval.json && .bin/predict --model $m.h5 --side image --no-normalize $f -q -o $m.images.npz && .bin/predict --model $m.h5 $f -q -o $m.texts.h5 &&
		.bin/extract-features --model $m.h5 $f -q -o $m.store.h5 && .bin/search --database $m.store.h5 --model $m.h5 --text 'a small red circle' -k 5 --json -q > $m.search.json || return 1
	done
}
# each kind of model, through each program that reads it
models() {
	scenes medium 100 96 && mkdir -p models && cd models && local B=../.bin k m d o
	$B/extract-features --image-encoder classic --text-encoder hash ../medium/manifest.jsonl -q -o f.h5 && $B/fetch-coco --synthetic 60 --as-embeddings --seed 7 -q -o d > /dev/null || return 1
	while read -r k o; do
		m=${k%%=*}; $B/train --model ${k#*=} $o f.h5 -q --json -o $m.h5 > $m.train.json &&
		$B/evaluate --model $m.h5 f.h5 --split test --json -q > $m.eval.json && $B/evaluate --model $m.h5 f.h5 --split train --json -q --protocol pool:15 --per-query $m.pool.npz > $m.pool.json &&
		$B/evaluate --model $m.h5 f.h5 --split val --distances --per-query none -o $m.distances.json -q > $m.log &&
		$B/predict --model $m.h5 f.h5 -q -o $m.csv && $B/predict --model $m.h5 --side image --no-normalize f.h5 -q -o $m.images.npz || return 1
		# what a kind does not do is a message, and no result
		$B/extract-features --model $m.h5 f.h5 --split test --project 16,24 -q -o $m.npz 2> $m.log; $B/search --database f.h5 --model $m.h5 --random 3 -k 5 --json -q > $m.search.json 2> $m.log
		$B/search --database f.h5 --model $m.h5 --text 'a small red circle' -k 5 --json -q > $m.words.json 2> $m.log
	done <<-END
	cca=cca --dims 24
	power=cca --dims 24 --power 1 --regularization 0.5
	ridge=ridge
	back=ridge --direction image-to-text --lambda 3
	procrustes=procrustes
	mlp=mlp --hidden 24 -e 2 -b 32 --schedule cosine --warmup 3 --weight-decay 0.01
	residual=residual-mlp --hidden 24 -e 2 -b 32 --loss mse
	heads=heads --embed-dim 24 -e 3 -b 32 --learn-temperature --symmetric --positives all
	masked=heads --embed-dim 24 -e 2 -b 32 --positives mask --grad-cache 8 --ema 0.9 --clip 1 --optimizer sgd --lr 0.05 --dropout 0.2
	END
	for k in cca ridge heads residual-mlp; do          # document 003's file: rows that count as unit vectors
		case $k in cca) o="--dims 16" ;; heads) o="--embed-dim 16 -e 2 -b 64" ;; ridge) o= ;; *) o="--hidden 16 -e 2 -b 64 --precision bf16" ;; esac
		$B/train --model $k $o --split-sizes 0.8/0.1/0.1 d/train.npz -q --json -o d-$k.h5 > d-$k.train.json && $B/evaluate --model d-$k.h5 d/train.npz --split val --json -q > d-$k.eval.json && $B/predict --model d-$k.h5 d/test.clean.npz -q -o d-$k.csv || return 1
	done
	$B/extract-features --model cca.h5 f.h5 -q -o e.npz && $B/extract-features --model cca.h5 f.h5 --split test --truncate 8,16 --shuffle-queries -q -o cut.npz && $B/search e.npz --all -k 3 --json -q > all.json &&
	$B/search e.npz --from image --to text --random 4 -k 7 --precision int8 --rescore 20 --manifest ../medium/manifest.jsonl --json -q > int8.json && $B/search e.npz --random 2 --precision binary --json -q > binary.json || return 1
	for o in --protocol=pool:20 --ties=pessimistic --ties=stable --relevance=captions:f.h5 --no-normalize --conventions=trec_eval; do
		$B/evaluate e.npz $o --json -q --per-query "e${o//[:=]/}.npz" --run-out "e${o//[:=]/}.run" --qrels-out "e${o//[:=]/}.qrels" > "e${o//[:=]/}.json" || return 1
	done
	$B/evaluate --run e--protocolpool20.run --relevance e--protocolpool20.qrels --json -q > trec.json && $B/evaluate --compare cca.eval.json ridge.eval.json --json -q > compare.json 2> compare.log
	if [ -d ../weights ]; then
		$B/fetch-coco --from sidecar ../stamps -o stamps -f -q > /dev/null && head -n 17 stamps/manifest.jsonl > stamps/few.jsonl || return 1
		for o in "" "--patches --tokens" "--precision bf16 --normalize"; do
			$B/extract-features --image-encoder efficientnet-lite0 --image-weights "../$IMAGE" --text-encoder bert --text-weights ../weights/all-MiniLM-L6-v2 $o --part-rows 7 stamps/few.jsonl -q -o "towers${o// /}.h5" || return 1
		done
	fi
	for d in 0 1; do $B/extract-features --image-encoder classic --text-encoder hash --shard $d/2 ../medium/manifest.jsonl -q -o s$d.h5 || return 1; done
	$B/extract-features --merge s0.h5 s1.h5 -q -o merged.h5 && $B/extract-features --verify merged.h5 --against f.h5 --json -q > verify.json
}

# --- the run --------------------------------------------------------------------------------------------------------------------------------------
# the programs, each with what a record needs; train and evaluate find -j among what the pipelines give
programs() {
	local p n o
	mkdir -p .bin
	for p in "$1"/*; do
		n=${p##*/}; case $n in runs|fetch-model|tokenize) o= ;; run-experiments) o="--no-provenance -j $2 --timing off" ;; *) o="--no-provenance -j $2" ;; esac
		printf '#!/bin/sh\nexec "%s" "$@" %s\n' "$p" "$o" > ".bin/$n"; chmod +x ".bin/$n"
	done
}
record() {
	local j s
	for j in 1 2; do
		mkdir -p "$2/j$j" && cd "$2/j$j" && programs "$1" $j || return 1
		if [ -n "$SHARED" ]; then
			[ ! -d "$SHARED/data/stamps" ] || ln -sfn "$SHARED/data/stamps" stamps; [ ! -f "$SHARED/$IMAGE_FILE" ] || ln -sfn "$SHARED/weights" weights
		fi
		for s in "${@:3}"; do
			case $s in real|stamps) [ -e stamps ] || { echo "record: $s is left out: no stamps in ITR_SHARED"; continue; } ;; esac
			case $s in stamps) [ -e weights ] || { echo "record: $s is left out: no weights in ITR_SHARED"; continue; } ;; esac
			start=$SECONDS; (export ITR_RUNS_DIR=$PWD/runs/$s; "$s") > "$s.log" 2>&1 || { echo "record: $s failed; the last lines of $PWD/$s.log:" >&2; tail -n 5 "$s.log" >&2; return 1; }
			find . -name '*.ckpt*.h5' -delete; run_lines "runs/$s" > "RUNS-$s.txt"
			echo "record: $s, $j thread(s): $((SECONDS - start)) s"
		done
		cd "$2" || return 1
	done
	sums "$2" && echo "record: $(wc -l < "$2/SUMS") files -> $2/SUMS; $(one_and_two "$2") of them differ between one thread and two"
}
one_and_two() { join -j 1 <(sed -n 's|^\([^ ]*\) *j1/\(.*\)|\2 \1|p' "$1/SUMS" | sort) <(sed -n 's|^\([^ ]*\) *j2/\(.*\)|\2 \1|p' "$1/SUMS" | sort) | awk '$2 != $3' | wc -l; }
IMAGE_FILE=weights/efficientnet_lite0/efficientnet-lite0-57934424.pth; IMAGE=$IMAGE_FILE
unset ITR_PARENT_RUN ITR_RUNS_DIR MAKEFLAGS MAKELEVEL

case ${1:-} in
--compare) [ $# = 3 ] || { sed -n '2,7p' "$0"; exit 2; }; compare "$2" "$3" ;;
--sums) [ $# = 2 ] || { sed -n '2,7p' "$0"; exit 2; }; sums "$2" ;;
-*|'') sed -n '2,7p' "$0"; exit 2 ;;
*)
	[ $# -ge 2 ] || { sed -n '2,7p' "$0"; exit 2; }
	bin=$(cd "$1" && pwd) && mkdir -p "$2" && out=$(cd "$2" && pwd) || exit 1
	[ ! -e "$out/j1" ] || { echo "record: '$out' holds a record already" >&2; exit 1; }
	shift 2; [ $# -gt 0 ] || set -- demo real quantization translation stamps finetune models
	record "$bin" "$out" "$@" ;;
esac
