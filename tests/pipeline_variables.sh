#!/usr/bin/env bash
# Pipelines never show yesterday's results. Every documented variable of every pipeline is changed once: exactly what depends on it is made again. Then inputs that change or are
# not there, paths that make and the shell could misread, work that was interrupted, two makes in one folder. The programs are stubs (one script) that write down what they are asked
# to do, so that the whole takes seconds; at the end the real programs, with real pictures and vectors.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR BIN_REAL; REAL=$BIN
export STUB=$TMP/stub LOG=$TMP/log
mkdir -p "$STUB" "$TMP/stub2" "$TMP/runs-state"
cat > "$STUB/stub" <<'S'
#!/bin/bash
# Any program: one line a call in $LOG, one argument in <>; writes what it is told to write. STOP=NAME: that program leaves what a kill would leave, and fails. NAP: it sleeps first.
name=$(basename "$0"); out= ; resume=; dir=
{ printf '%s' "$name"; printf ' <%s>' "$@"; echo; } >> "$LOG"
args=("$@")
for ((i = 0; i < $#; i++)); do case ${args[i]} in
	-o|--sheet|--output_path) out=${args[i + 1]} ;; --resume) [ "$name" = train ] && resume=${args[i + 1]} ;; --output_dir) dir=${args[i + 1]} ;;
esac; done
stopped() { [ "${STOP:-}" = "$name" ] && exit 1; return 0; }
[ -z "${NAP:-}" ] || sleep "$NAP"
case $name in
runs) case $1 in
	start) id=$(printf '%08d%024d' "$(($(ls "$STATE" | wc -l) + 1))" 0); echo RUNNING > "$STATE/$id"; echo "$id" ;;
	end) echo "${4:-FINISHED}" > "$STATE/$2" ;;
	list) echo id; grep -lx RUNNING "$STATE"/* | xargs -r -n 1 basename ;;
	esac; exit 0 ;;
fetch-model) echo /fetched; exit 0 ;;
fetch-coco)
	stopped; mkdir -p "$out"
	case " $* " in *" --as-embeddings "*) for f in train.npz test.clean.npz; do echo x > "$out/$f"; done ;; *) echo '{}' > "$out/manifest.jsonl" ;; esac; exit 0 ;;
run-experiments)
	mkdir -p "$dir"; if [ -e "$dir/experiment_results.journal" ]; then echo "journal goes on" >> "$LOG"; else echo x > "$dir/experiment_results.journal"; fi
	stopped; echo '{}' > "$dir/experiment_results.json"; exit 0 ;;
train)
	[ -z "$resume" ] || out=${resume%.ckpt.h5}.h5
	[ -n "$resume" ] || echo x > "${out%.h5}.ckpt.h5"
	stopped; rm -f "${out%.h5}.ckpt.h5"
	printf '{\n  "epoch": 3,\n  "regularization": 1,\n  "val_mean_recall_at_10": 0.5\n}\n' ;;
evaluate) for m in recall@1 recall@5 recall@10 mrr; do echo "$m,0.1,0.1,0.1,0.1,0.1,0.1,0.1"; done ;;
esac
[ -z "$out" ] || echo "$*" > "$out"
S
chmod +x "$STUB/stub"
for p in fetch-coco fetch-model extract-features train evaluate predict search run-experiments analyze runs; do ln -s stub "$STUB/$p"; ln -s "$STUB/stub" "stub2/$p"; done
mkdir path; cat > path/gnuplot <<'S'
#!/bin/bash
echo png > "$(sed "s/.*set output '\([^']*\)'.*/\1/" <<< "$2")"
S
chmod +x path/gnuplot
export PATH=$TMP/path:$PATH STATE=$TMP/runs-state

# inputs below a name that make, the shell and sed could each misread
ODD="in/a b  it's c\$x \$(y #h %p \"q\" ü;&(z)\\"
mkdir -p "$ODD"
for v in A B; do
	mkdir -p "$ODD/$v" "$ODD/w$v"
	for f in p.png p.txt train.npz test.clean.npz; do echo "$f of $v" > "$ODD/$v/$f"; done
	for f in vectors.npz karpathy.json tower.pth; do echo "$f of $v" > "$ODD/$v-$f"; done
	printf '{"itr_manifest":1}\n{"id":"p","image":"%s/p.png"}\n' "$v" > "$ODD/$v.jsonl"
	echo weights > "$ODD/w$v/model.safetensors"
done
mkdir -p shared/data/stamps shared/weights/efficientnet_lite0 shared/weights/all-MiniLM-L6-v2 shared/w2/efficientnet_lite0 shared/w2/all-MiniLM-L6-v2 shared2/data/stamps
echo x > shared/data/stamps/p.png; echo x | tee shared/w{eights,2}/efficientnet_lite0/efficientnet-lite0-57934424.pth > /dev/null; echo x | tee shared/w{eights,2}/all-MiniLM-L6-v2/m > /dev/null
cp -r shared/weights shared2/

# go FILE.mk ARGUMENT...
go() { local f=$1; shift; make -f "$ROOT/pipelines/$f" -I "$ROOT" BIN="$STUB" "$@"; }
state() { (cd o && find . -type f ! -path './.stamps/*' ! -name .make-lock ! -name '*.ckpt.h5' ! -name '*.journal' -printf '%P %i %T@\n' | LC_ALL=C sort); }
made_again() { state > after; LC_ALL=C comm -3 before after | awk '{ print $1 }' | LC_ALL=C sort -u; }

# --- every variable of every pipeline -------------------------------------------------------------------------------------------------------------
# table MAKEFILE GOAL VARIABLE=VALUE... makes the goal with these values and then reads lines "VARIABLE=VALUE... | FILES": with the other value, exactly FILES are made again
# (globs; "-": none. A file made again means another parent run, so run.id is one of them). Both sides of the bar are read as the shell reads words.
declare -A SEEN
table() {
	local mk=$1 goal=$2 change files; shift 2
	rm -rf o base; t "$mk $goal, small" go "$mk" OUT=o "$@" "$goal"; mv o base
	while IFS='|' read -r change files; do
		[ -n "$change" ] || continue
		eval "set_to=($change)"
		SEEN[$mk]="${SEEN[$mk]:-} $(printf '%s\n' "${set_to[@]}" | sed 's/=.*//' | tr '\n' ' ')"
		t "$mk $goal: ${change%% |} ->$(eval "echo \"$files\"")" changed_once "$mk" "$goal" "$(eval "echo \"$files\"")" "$@" "${set_to[@]}"
	done
}
changed_once() {
	local mk=$1 goal=$2 files=$3; shift 3
	rm -rf o; cp -a base o; state > before
	go "$mk" OUT=o "$@" "$goal" > log.txt 2>&1 || { tail -n 5 log.txt; return 1; }
	made_again > got
	if [ "$files" = " -" ]; then : > want; else (cd o && ls -d $files run.id | LC_ALL=C sort -u) > want; fi
	diff want got
}

A=$ODD/A; B=$ODD/B
TEST="test.npz metrics.json retrieval.png summary.txt"; CCA="cca.h5 $TEST"; FEATURES="features.h5 $CCA"; ALL="manifest.jsonl $FEATURES"
table demo.mk demo N=5 <<'T'
N=6 | $ALL
SEED=3 | $ALL
IMAGE=other | $FEATURES
TEXT=other | $FEATURES
DIMS=64 | $CCA
DIM=256 | metrics.json retrieval.png summary.txt
DATA="$A" | -
BIN="$TMP/stub2" | -
Q=1 | -
-j3 | -
OUT=elsewhere | -
T
table demo.mk real DATA="$A" <<'T'
DATA="$B" | $ALL
SEED=3 | $ALL
N=9 | -
IMAGE=other | $FEATURES
DIMS=64 | $CCA
DIM=256 | -
Q=1 | -
T
TEST="test.npz metrics.json summary.txt"; CCA="cca.h5 $TEST"; FEATURES="features.h5 $CCA"; ALL="manifest.jsonl $FEATURES"
table coco.mk coco KARPATHY="$A-karpathy.json" BASE_URL="file://$TMP/$A" <<'T'
SUBSET=train2017 | $ALL
LIMIT=7 | $ALL
SEED=3 | $ALL
KARPATHY="$B-karpathy.json" | $ALL
BASE_URL="file://$TMP/$B" | $ALL
ANNOTATIONS_URL='http://x/a b.zip' | $ALL
MAX_FAILED=5 | $ALL
CONNECTIONS=3 | -
IMAGE=other | $FEATURES
TEXT=other | $FEATURES
DIMS=64 | $CCA
PROTOCOL=coco-1k | metrics.json summary.txt
OUT=elsewhere | -
BIN="$TMP/stub2" Q=1 | -
T
GRID="result/experiment_results.json result/experiment_summary.json"
table quantization.mk quantization <<'T'
N=6 | manifest.jsonl features.h5 cca.h5 test.npz $GRID
DATA="$A-vectors.npz" | $GRID
SEED=3 | $GRID
SEEDS="3 4" | $GRID
DIMS=64 | $GRID
PRECISIONS=fp32 | $GRID
POOLS=10 | $GRID
OUT=elsewhere | -
BIN="$TMP/stub2" Q=1 | -
T
table quantization.mk quantization DATA="$A-vectors.npz" <<'T'
DATA="$B-vectors.npz" | $GRID
N=6 | -
T
GRID="embeddings.npz $GRID"; FEATURES="features.h5 $GRID"; ALL="manifest.jsonl $FEATURES"
table coco-quantization.mk coco-quantization KARPATHY="$A-karpathy.json" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS="$A-tower.pth" <<'T'
SUBSET=train2017 | $ALL
LIMIT=7 | $ALL
N=7 | -
SEED=3 | $ALL
KARPATHY="$B-karpathy.json" | $ALL
BASE_URL="file://$TMP/$B" | $ALL
ANNOTATIONS_URL="http://x/a's.zip" | $ALL
DATA="$A" | $ALL
ENCODERS=clip-vit-b16 | $FEATURES
WEIGHTS="$ODD/wA" | $FEATURES
IMAGE_WEIGHTS="$ODD/wB" | $FEATURES
TEXT_WEIGHTS="$B-tower.pth" | $FEATURES
DIMS=64 | $GRID
PRECISIONS=fp32 | ${GRID#* }
POOLS=10 | ${GRID#* }
SEEDS="3 4" | ${GRID#* }
PART_ROWS=10 | -
OUT=elsewhere | -
BIN="$TMP/stub2" Q=1 | -
T
for d in "$A" "$A.jsonl"; do
table coco-quantization.mk coco-quantization DATA="$d" ENCODERS="classic hash" <<'T'
DATA="${d/%A/B}" | $([ "$d" = "$A" ] && echo $ALL cca.h5 || echo -)
DATA="$B.jsonl" | $ALL cca.h5
DATA=scenes | $ALL cca.h5
N=7 | -
ENCODERS="classic classic" | $FEATURES cca.h5
SEED=3 | $([ "$d" = "$A" ] && echo $ALL cca.h5 || echo $GRID)
T
done
table translation.mk translation MODELS="mlp ridge" SEEDS="1 2" BEST=mlp-1 <<'T'
N=6 | synthetic/train.npz synthetic/test.clean.npz *-?.h5 *-?.json *-?.train.json *-?.csv table.csv distances.txt submission.csv summary.txt
DATA="$A" | *-?.h5 *-?.json *-?.train.json *-?.csv table.csv distances.txt submission.csv summary.txt
EPOCHS=9 | mlp-?.h5 mlp-?.json mlp-?.train.json mlp-?.csv table.csv distances.txt submission.csv summary.txt
TRAIN_FLAGS=--hidden=9 | mlp-?.h5 mlp-?.json mlp-?.train.json mlp-?.csv table.csv distances.txt submission.csv summary.txt
BEST=ridge-2 | distances.txt submission.csv summary.txt
SEEDS="1 2 3" | *-3.h5 *-3.json *-3.train.json *-3.csv table.csv summary.txt
MODELS=ridge | table.csv summary.txt
OUT=elsewhere | -
BIN="$TMP/stub2" Q=1 | -
T
table translation.mk translation DATA="$A" MODELS=mlp SEEDS=1 <<'T'
DATA="$B" | mlp-1.h5 mlp-1.json mlp-1.train.json mlp-1.csv residual-mlp-1.h5 residual-mlp-1.json residual-mlp-1.train.json residual-mlp-1.csv table.csv distances.txt submission.csv summary.txt
N=6 | -
T
TABLE="table.csv summary.txt summary.dat summary.png"; JOBS="*-?.tried *-?.h5 *-?.csv *-?.json"; SHOWN="shown.npz retrieval.png"
table stamps.mk stamps DATA="$A" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS="$A-tower.pth" METHODS="ridge heads" SEEDS="1 2" <<'T'
DATA="$B" | manifest.jsonl features.h5 $JOBS $TABLE $SHOWN
IMAGE=other | features.h5 $JOBS $TABLE $SHOWN
IMAGE_WEIGHTS="$ODD/wB" | features.h5 $JOBS $TABLE $SHOWN
TEXT=other | features.h5 $JOBS $TABLE $SHOWN
TEXT_WEIGHTS="$B-tower.pth" | features.h5 $JOBS $TABLE $SHOWN
WEIGHTS="$TMP/shared/w2" | -
SHARED=shared2 | -
CANDIDATES_ridge=--lambda=9 | ridge-?.tried ridge-?.h5 ridge-?.csv ridge-?.json $TABLE
MODEL_ridge="--model ridge" | ridge-?.tried ridge-?.h5 ridge-?.csv ridge-?.json $TABLE
TRY_heads="--epochs 1" | heads-?.tried heads-?.h5 heads-?.csv heads-?.json $TABLE
FIT_heads="--patience 1" | heads-?.h5 heads-?.csv heads-?.json $TABLE
CANDIDATES_cca=--dims=9 | cca-1.tried cca-1.h5 $SHOWN
METHODS=ridge | $TABLE
SEEDS=1 | $TABLE $SHOWN
OUT=elsewhere | -
BIN="$TMP/stub2" Q=1 | -
T
table stamps.mk stamps SHARED=shared METHODS=ridge SEEDS=1 <<'T'
SHARED="$TMP/shared2" | manifest.jsonl features.h5 $JOBS $TABLE $SHOWN
WEIGHTS=shared/w2 | features.h5 $JOBS $TABLE $SHOWN
T
table stamps.mk precision DATA="$A" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS= <<'T'
DATA="$B" | manifest.jsonl features.h5 features-*.h5 precision*
IMAGE=other | features.h5 features-*.h5 precision*
IMAGE_WEIGHTS="$ODD/wB" | features.h5 features-*.h5 precision*
T

# A variable that is documented, or that has a default, needs a line above.
documented() { { sed -n 's/^# variables: //p' "$1" | grep -oE '\b[A-Z][A-Z_]*\b'; sed -n 's/^\([A-Za-z_0-9]*\) *?=.*/\1/p' "$1" | sed 's/_[a-z0-9]*$/_/'; } | sort -u; }
covered() { local v missing=; for v in $(documented "$1"); do case " ${SEEN[$(basename "$1")]:-}" in *" $v "*) ;; *" $v"*) [ "$v" != "${v%_}" ] || missing="$missing $v" ;; *) missing="$missing $v" ;; esac; done; echo "not tested:$missing"; [ -z "$missing" ]; }
undocumented() { sed -n 's/^\([A-Za-z_0-9]*\) *?=.*/\1/p' "$1" | sed 's/_[a-z0-9]*$/_/' | sort -u | while read -r v; do sed -n 's/^# variables: //p' "$1" | grep -qE "\\b$v(\\b|\\*)" || echo "$v is not in '# variables:'"; done | grep .; }
for mk in "$ROOT"/pipelines/*.mk; do
	[ "$(basename "$mk")" != common.mk ] || continue
	t "$(basename "$mk"): every variable has been changed" covered "$mk"
	expect_exit 1 "$(basename "$mk"): every variable is documented" undocumented "$mk"
done
