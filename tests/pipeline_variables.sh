#!/usr/bin/env bash
# Pipelines never show yesterday's results. Every documented variable of every pipeline is changed once: exactly what depends on it is made again. Then inputs that change or are
# not there, paths that make and the shell could misread, work that was interrupted, two makes in one folder. The programs are stubs (one script) that write down what they are asked
# to do, so that the whole takes seconds; at the end the real programs, with real pictures and vectors.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR BIN_REAL; REAL=$BIN; export -n BIN        # a make that is called here looks for its own programs
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
[ -z "${NAP:-}" ] || [ "$name" = runs ] || sleep "$NAP"
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
*) stopped ;;
esac
[ -z "$out" ] || echo "$*" > "$out"
S
chmod +x "$STUB/stub"
for p in fetch-coco fetch-model extract-features train evaluate predict search run-experiments analyze runs; do ln -s stub "$STUB/$p"; ln -s "$STUB/stub" "stub2/$p"; done
mkdir path; cat > path/gnuplot <<'S'
#!/bin/bash
echo png > "$(sed "s/.*set output '\([^']*\)'.*/\1/" <<< "${!#}")"
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

# --- inputs -----------------------------------------------------------------------------------------------------------------------------------------
calls() { grep -c "^$1 " "$LOG"; }                               # how often a program was called since `: > $LOG`
real() { go demo.mk real OUT=r DATA="$A" "$@"; }
again_after() { real > /dev/null && : > "$LOG" && "$@" && real > /dev/null && [ "$(calls fetch-coco)" = 1 ]; }
again_not() { real > /dev/null && : > "$LOG" && real > /dev/null && [ ! -s "$LOG" ]; }
t "a folder as it was: no program is started" again_not
t "a picture added" again_after cp "$A/p.png" "$A/q.png"
t "a caption changed, same size" again_after sed -i s/of/oF/ "$A/p.txt"
t "a picture removed" again_after rm "$A/q.png"
t "a picture in a folder below" again_after install -D "$A/p.png" "$A/sub/p.png"
t "a picture behind a link" again_after ln -s "$TMP/$B/p.png" "$A/link.png"
t "a picture of the same size with the same time" again_after cp -p --remove-destination "$TMP/$A/p.txt" "$A/p.png"
rm -r "$A/sub" "$A/link.png"
vectors() { go quantization.mk quantization OUT=v DATA="$1" > /dev/null; }
touch -d 2026-11-01 "$A-vectors.npz" "$B-vectors.npz"
own() { grep "^run-experiments" "$LOG" | tail -n 1 | grep -qF -- "<$1>"; }
t "vectors whose name has a space, a quote, \$, #, %, letter by letter" eval 'vectors "$A-vectors.npz" && own "$A-vectors.npz"'
t "other vectors of the same time" eval 'vectors "$B-vectors.npz" && own "$B-vectors.npz"'
swapped() { cp -p "$B-vectors.npz" v.npz && vectors v.npz && : > "$LOG" && cp -p "$A-vectors.npz" v.npz && vectors v.npz && own v.npz; }
t "other vectors under the same name, of the same size and time" swapped
pictures_of_manifest() { go coco-quantization.mk coco-quantization ENCODERS="classic hash" OUT=m DATA="$A.jsonl" > /dev/null; }
t "a manifest" pictures_of_manifest
manifest_again() { : > "$LOG"; touch "$A/p.png" && pictures_of_manifest && [ "$(calls run-experiments)" = 1 ]; }
t "a picture that a manifest names has changed" manifest_again
weights_again() { : > "$LOG"; go stamps.mk precision OUT=wt DATA="$A" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS= > /dev/null && : > "$LOG" && echo other > "$ODD/wA/model.safetensors" &&
	go stamps.mk precision OUT=wt DATA="$A" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS= > /dev/null && [ "$(calls fetch-coco)" = 0 ] && [ "$(calls extract-features)" -ge 3 ]; }
t "weights that have changed" weights_again
letter() { go demo.mk real OUT=l DATA="$1" > /dev/null && grep -qF -- "<--from> <sidecar> <$1>" "$LOG"; }
t "a folder's name arrives letter by letter" letter "$A"
t "from the environment too" eval 'DATA="$B" go demo.mk real OUT=l > /dev/null && grep -qF -- "<sidecar> <$B>" "$LOG"'
given_all() { : > "$LOG"; go coco.mk coco OUT=g KARPATHY="$A-karpathy.json" BASE_URL="file://$TMP/$A" ANNOTATIONS_URL="file://$TMP/$B" > /dev/null &&
	go translation.mk translation OUT=g2 MODELS=ridge BEST=ridge-1 DATA="$A" > /dev/null && go stamps.mk precision OUT=g3 DATA="$A" IMAGE_WEIGHTS="$ODD/wA" TEXT_WEIGHTS="$A-tower.pth" > /dev/null &&
	go coco-quantization.mk coco-quantization OUT=g4 DATA="$A.jsonl" WEIGHTS="$ODD/wA" > /dev/null &&
	for word in "--karpathy> <$A-karpathy.json" "--base-url> <file://$TMP/$A" "--annotations-url> <file://$TMP/$B" "$A/train.npz" "$A/test.clean.npz" "--image-weights> <$ODD/wA" "--text-weights> <$A-tower.pth" \
		"--root> <$ODD"; do grep -qF -- "<$word>" "$LOG" || { echo "no $word"; return 1; }; done; }
t "so does every other path" given_all
t "the folder for the results is named after DATA, without what make cannot hold" eval 'go translation.mk translation MODELS=ridge BEST=ridge-1 DATA="$ODD" -n 2>&1 | grep -qF "missing" && mkdir -p "in/a b" && cp "$A"/*.npz "in/a b/" &&
	go translation.mk translation MODELS=ridge BEST=ridge-1 DATA="in/a b" > /dev/null && [ -s data/translation-a_b/summary.txt ]'
refused() { local re=$1; shift; "$@" > out.txt 2> err.txt; [ $? = 2 ] && grep -qE -- "$re" err.txt && [ ! -s out.txt ] || { cat out.txt err.txt; return 1; }; }
t "an OUT that make cannot hold is refused" refused "OUT='a b': make cannot hold" go demo.mk demo OUT='a b'
t "with a \$ too" refused "OUT='a\\\$b': make cannot hold" go demo.mk demo OUT='a$b'

t "what is made again, and why, is said" eval 'real > /dev/null; real SEED=4 2> err.txt > /dev/null && grep -qx "make: SEED=4: what depends on it is made again" err.txt && [ "$(wc -l < err.txt)" = 1 ] && real SEED=4 2> err.txt > /dev/null && [ ! -s err.txt ]'

# What is not there has no results, neither yesterday's nor others.
t "results of a folder that is there" real
t "a folder that is not there" refused "no folder '/nowhere': say which pictures: make real DATA=FOLDER" real DATA=/nowhere
t "no folder" refused "say which pictures: make real DATA=FOLDER" go demo.mk real OUT=r
t "a folder that was there" eval 'cp -r "$A" gone && real DATA=gone && rm -r gone && refused "no folder .gone." real DATA=gone'
t "stamps" refused "no folder '/nowhere': make stamps DATA=FOLDER" go stamps.mk stamps DATA=/nowhere
t "precision" refused "no folder '/nowhere'" go stamps.mk precision DATA=/nowhere
t "stamps: weights" refused "'/nowhere': IMAGE_WEIGHTS names" go stamps.mk stamps DATA="$A" IMAGE_WEIGHTS=/nowhere
t "quantization" refused "'/nowhere': DATA names an NPZ or HDF5 file" go quantization.mk quantization OUT=v DATA=/nowhere
t "coco-quantization: folder" refused "no folder '/nowhere': DATA names a manifest.jsonl, a folder" go coco-quantization.mk coco-quantization DATA=/nowhere
t "coco-quantization: manifest" refused "no file '/nowhere/m.jsonl': DATA names" go coco-quantization.mk coco-quantization DATA=/nowhere/m.jsonl
t "coco-quantization: weights" refused "'/nowhere': WEIGHTS names" go coco-quantization.mk coco-quantization DATA=scenes WEIGHTS=/nowhere
t "translation" refused "no folder '/nowhere': DATA names the folder with" go translation.mk translation DATA=/nowhere
t "translation: files" refused "shared/train.npz' is missing: DATA names" go translation.mk translation DATA=shared
t "coco: KARPATHY" refused "no file '/nowhere': KARPATHY names" go coco.mk coco KARPATHY=/nowhere
t "nothing was written for them" eval '! ls data/coco data/stamps data/translation-nowhere data/coco-quantization-nowhere 2> /dev/null'
failed_step() { real > /dev/null; STOP=fetch-coco real DATA="$B" > out.txt 2>&1; [ $? = 2 ] && [ ! -e r/summary.txt ] && [ ! -e r/metrics.json ] && ! grep -q 'What was done' out.txt; }
t "a step that fails leaves no results of the former data" failed_step
t "nor are the former data up to date after it" eval ': > "$LOG"; real > /dev/null && [ "$(calls fetch-coco)" = 1 ] && [ -s r/summary.txt ]'

# --- work that was interrupted ----------------------------------------------------------------------------------------------------------------------
trans() { go translation.mk translation OUT=t MODELS=mlp SEEDS="1 2" BEST=mlp-1 N=5 "$@" > tr.txt 2>&1; }
interrupted() { rm -rf t; STOP=train trans -k; ls t/mlp-1.ckpt.h5 t/mlp-2.ckpt.h5 && : > "$LOG"; }
resumed() { grep -c -- '^train <--resume> <t/mlp-.\.ckpt\.h5>' "$LOG"; }
t "translation: training stopped at its checkpoint" interrupted
t "the same command resumes both" eval 'trans && [ "$(resumed)" = 2 ] && [ "$(calls fetch-coco)" = 0 ]'
for change in EPOCHS=9 N=6 TRAIN_FLAGS=--hidden=8 'DATA="$A"'; do
	t "with $change none is resumed" eval "interrupted && trans $change && [ \$(resumed) = 0 ] && [ \$(calls train) = 2 ]"
done
seeds() { interrupted && trans SEEDS=1 EPOCHS=9 && trans EPOCHS=9 && [ "$(resumed)" = 0 ]; }
t "nor later, when only some of the models were made with the other value" seeds
by_hand() { interrupted && sleep 0.02 && rm t/synthetic/* && trans && [ "$(resumed)" = 0 ]; }
t "nor when its vectors were made again" by_hand
qu() { go quantization.mk quantization OUT=q N=5 "$@" > qu.txt 2>&1; }
grid() { rm -rf q; STOP=run-experiments qu; [ -e q/result/experiment_results.journal ] && : > "$LOG"; }
t "quantization: the grid stopped" grid
t "goes on with its journal" eval 'qu && grep -q "journal goes on" "$LOG" && [ "$(calls fetch-coco)" = 0 ]'
for change in POOLS=9 PRECISIONS=fp32 DIMS=64; do t "with $change: other cells of the same vectors" eval "grid && qu $change && grep -q 'journal goes on' '$LOG'"; done
for change in N=6 SEED=3 SEEDS=3 'DATA="$A-vectors.npz"'; do t "with $change it begins anew" eval "grid && qu $change && ! grep -q 'journal goes on' '$LOG'"; done
cq() { go coco-quantization.mk coco-quantization OUT=cq ENCODERS="classic hash" DATA=scenes N=5 "$@" > cq.txt 2>&1; }
cgrid() { rm -rf cq; STOP=run-experiments cq; [ -e cq/result/experiment_results.journal ] && : > "$LOG"; }
t "coco-quantization: goes on with its journal" eval 'cgrid && cq && grep -q "journal goes on" "$LOG" && [ "$(calls extract-features)" = 0 ]'
for change in DIMS=64 SEED=3 N=6 'ENCODERS="hash hash"'; do t "with $change it begins anew" eval "cgrid && cq $change && ! grep -q 'journal goes on' '$LOG'"; done

# --- parent runs ------------------------------------------------------------------------------------------------------------------------------------
status_of() { cat "$STATE/$1"; }
t "an interrupted experiment keeps its parent run" eval 'rm -rf r; STOP=extract-features real; id=$(cat r/run.id); [ "$(status_of $id)" = RUNNING ] && real && [ "$(cat r/run.id)" = $id ] && [ "$(status_of $id)" = FINISHED ]'
t "one that is up to date starts none" eval ': > "$LOG"; real && [ ! -s "$LOG" ]'
t "a new one has a new parent run, the former stays finished" eval 'id=$(cat r/run.id); real SEED=9 && [ "$(cat r/run.id)" != $id ] && [ "$(status_of $id)" = FINISHED ] && grep -q "$(cut -c1-8 r/run.id)" r/summary.txt'
t "one that was given up is ended" eval 'STOP=extract-features real SEED=10; id=$(cat r/run.id); real SEED=11; [ "$(cat r/run.id)" != $id ] && [ "$(status_of $id)" = KILLED ]'

# --- looking only -----------------------------------------------------------------------------------------------------------------------------------
t "make -n of what is up to date names no step" eval 'real > /dev/null && ! real -n | grep -E "fetch-coco|extract-features|train"'
t "with another value it names what would be made again, and touches nothing" eval 'find r > f1; : > "$LOG"; real -n IMAGE=other > n.txt && grep -q "image-encoder other" n.txt && ! grep -q fetch-coco n.txt && find r > f2 && cmp f1 f2 && [ ! -s "$LOG" ] && real -n | grep -vc extract-features'
t "and makes no folder" eval 'real -n OUT=not-made > /dev/null && [ ! -e not-made ]'
t "Q=1 shows no command" eval 'real OUT=silent Q=1 > q.txt && ! grep -q fetch-coco q.txt && grep -q "What was done" q.txt'

# --- two makes in one folder ------------------------------------------------------------------------------------------------------------------------
rm -rf r; : > "$LOG"
set -m; NAP=30 go demo.mk real OUT=r DATA="$A" > held.txt 2>&1 & first=$!; set +m
for _ in $(seq 200); do [ "$(calls fetch-coco)" = 1 ] && break; sleep 0.05; done
holder=$(cut -d' ' -f1 r/.make-lock)
t "the second make says who is there" refused "'r' is in use by another make: pid $holder, make real, since 20[0-9-]+ [0-9:]+\. Wait" real
t "and started no step" test "$(calls fetch-coco)" = 1
t "another folder is free" real OUT=r2
kill -9 "$first" "$holder"; wait "$first" 2> /dev/null
t "a make that was killed while its program still runs" refused "pid $holder, make real, since [^,]*, ended, but a program that it started still runs" real
kill -9 -- -"$first"
t "all of it killed: the lock is gone" real

# --- where the clone lies, and the Makefile above the pipelines ----------------------------------------------------------------------------------------
mkdir "it's a clone" && cp -r "$ROOT/Makefile" "$ROOT/pipelines" "it's a clone/" && ln -s "$STUB" "it's a clone/bin"
# builds nothing: `make all` is another test's matter
printf '#!/bin/sh\n[ "$1" = all ] || exec make "$@"\n' > path/submake && chmod +x path/submake
top() { (cd "it's a clone" && make -o deps-build MAKE=submake "$@"); }
t "a clone whose path has a space and a quote" top demo
t "the Makefile hands on a folder letter by letter" eval 'mkdir "c\$x" && cp -r "$A" "c\$x/p" && top real DATA="$TMP/c\$x/p" && grep -qF "<sidecar> <$TMP/c\$x/p>" "$LOG" && top real DATA="$TMP/$A" && grep -qF "<sidecar> <$TMP/$A>" "$LOG"'
t "and every other variable" eval 'top quantization DATA="$TMP/$A-vectors.npz" SEEDS="5 6" POOLS="7 8" && grep -qF "<--data_path> <$TMP/$A-vectors.npz>" "$LOG" && grep -qF "<7> <8>" "$LOG" && grep -qF "<--seeds> <5> <6>" "$LOG"'
whole_path() { (cd / && make -f "$TMP/it's a clone/pipelines/demo.mk" -I "$TMP/it's a clone" BIN="$TMP/it's a clone/bin" OUT="$TMP/far" demo); }
t "called from elsewhere by its whole path" whole_path

# --- the real programs ------------------------------------------------------------------------------------------------------------------------------
BIN=$REAL; PATH=${PATH#"$TMP/path:"}
pictures() { "$BIN/fetch-coco" --no-track -q --synthetic "$2" --seed "$3" -o "made-$1" && mkdir "$1" && jq -r 'select(.id) | [.image] + [.captions[].text] | @tsv' "made-$1/manifest.jsonl" |
	while IFS=$'\t' read -r image captions; do cp "made-$1/$image" "$1/" && printf '%s\n' "${captions//$'\t'/$'\n'}" > "$1/$(basename "$image" .jpg).txt"; done; }
t "pictures" eval 'pictures "it'\''s A" 40 1 && pictures B 50 2'
figures() { make -f "$ROOT/pipelines/demo.mk" -I "$ROOT" BIN="$BIN" OUT=real DATA="$1" real > "$2" 2> err.txt && grep -q 'texts, ' "$2"; }
t "real A, real B" eval 'figures "it'\''s A" a.txt && figures B b.txt && ! cmp -s <(grep texts, a.txt) <(grep texts, b.txt)'
t "B's figures are those of B alone" eval 'rm -rf real && figures B b2.txt && diff <(grep -v "runs show" b.txt | sed -n "/What was done/,\$p") <(grep -v "runs show" b2.txt | sed -n "/What was done/,\$p")'
t "a picture added: it is among them" eval 'cp "$(ls B/*.jpg | head -n 1)" B/zz.jpg && echo "a new caption" > B/zz.txt && figures B b3.txt && [ "$(jq -s "map(select(.id == \"zz\")) | length" real/manifest.jsonl)" = 1 ]'
t "nowhere: an error, no figures" eval '! figures /nowhere n.txt && ! grep texts, n.txt && grep -q "no folder ./nowhere." err.txt'
grid_of() { make -f "$ROOT/pipelines/quantization.mk" -I "$ROOT" BIN="$BIN" OUT=grid DATA="$1" DIMS=16 PRECISIONS="$2" POOLS=12 quantization > grid.txt 2>&1 && jq -c '[.[] | .text_to_video["recall@10"], .text_to_video.mrr]' grid/result/experiment_results.json > "$3"; }
t "vectors" eval 'for v in a b; do s=1; [ $v = a ] || s=2; "$BIN/extract-features" --no-track -q --model real/cca.h5 real/features.h5 --project 16,32 --seed $s -o q$v.npz || exit 1; done; [ $(stat -c %s qa.npz) = $(stat -c %s qb.npz) ]'
touch -d 2026-11-01 qa.npz qb.npz
t "qa, qb of one size and time: other figures" eval 'grid_of qa.npz "fp32 int8" 1.json && grid_of qb.npz "fp32 int8" 2.json && ! cmp -s 1.json 2.json'
t "qb's figures are those of qb alone" eval 'rm -rf grid && grid_of qb.npz "fp32 int8" 3.json && cmp 2.json 3.json'
t "fewer precisions, then more: the cells asked for" eval 'grid_of qa.npz fp32 4.json && [ "$(jq length grid/result/experiment_results.json)" = 2 ] && grid_of qa.npz "fp32 int8" 5.json && [ "$(jq length grid/result/experiment_results.json)" = 4 ] && [ "$(jq .total_experiments grid/result/experiment_summary.json)" = 4 ]'
