#!/usr/bin/env bash
# make stamps and make precision, small: forty real pictures, classic features; then with the published towers where they are.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR
[ -d "$SHARED/data/stamps" ] || { skip "make stamps" "no $SHARED/data/stamps"; exit 0; }
mkdir pictures
find "$SHARED/data/stamps/animals/mammals" -name '*.png' | LC_ALL=C sort | head -n 60 | while read -r f; do [ -f "${f%.png}.txt" ] && cp "$f" "${f%.png}.txt" pictures/; done
go() { make -f "$ROOT/pipelines/stamps.mk" -I "$ROOT" BIN="$BIN" SHARED="$SHARED" DATA=pictures SEEDS="1 2" CANDIDATES_heads=--dropout=0 TRY_heads="--monitor val_mean_recall_at_10 --epochs 3" \
	CANDIDATES_cca="--dims=8;--regularization=1,10 --dims=16;--regularization=1,10" "$@"; }
small() { go IMAGE=classic IMAGE_WEIGHTS= TEXT=hash TEXT_WEIGHTS= "$@"; }
D=data/stamps
t "closed forms and InfoNCE on two splits" small stamps
t "every method and split has a line" bash -c "[ \$(wc -l < $D/table.csv) = 9 ]"
t "the choice is made of validation figures, the test part is scored once" bash -c "[ \$(wc -l < $D/cca-1.tried) = 2 ] && [ \$(wc -l < $D/ridge1-1.tried) = 1 ] && jq -e '.relevance == \"captions:$D/features.h5\"' $D/cca-1.json"
t "the same pictures are tested by every method" bash -c "jq -s -e 'map(.t2i.n_gallery) | unique | length == 1' $D/*-1.json"
t "intervals, chance and differences" bash -c "grep -q '^chance' $D/summary.txt && grep -q '^against ridge1' $D/summary.txt && grep -q '+-' $D/summary.txt"
t "a picture of the table, a picture of what was found" bash -c "for f in $D/summary.png $D/retrieval.png; do head -c 8 \$f | cmp - <(printf '\\211PNG\\r\\n\\032\\n') || exit 1; done"
again() { small stamps > log 2>&1 && ! grep -qE 'train --model|fetch-coco' log; }
t "a second time nothing is made again" again
lost() { rm $D/cca-2.h5 $D/cca-2.csv $D/table.csv $D/summary.txt && small stamps > log 2>&1 && [ "$(grep -c 'train --model' log)" = 1 ]; }
t "a model that is missing is made again, nothing else" lost
expect_exit 2 "a folder that is not there" small stamps DATA=nowhere OUT=none
W=$SHARED/weights
if [ -f "$W/efficientnet_lite0/efficientnet-lite0-57934424.pth" ] && [ -d "$W/all-MiniLM-L6-v2" ]; then
	t "the published towers in three precisions" go precision OUT=p
	# the least of all rows, pictures and captions alike
	t "cosine to fp32 of every row: bf16 at least .999, int8 at least .99" awk '/^== / { least = $2 == "int8" ? .99 : .999 } /cosine at least/ { n++; if ($6 + 0 < least) bad = 1 } END { exit n != 4 || bad }' p/precision.txt
	t "the change in recall@10 with its interval" grep -qE 't2i.*recall@10|recall@10' p/precision.txt
else
	skip "the published towers" "no $W"
fi
