#!/usr/bin/env bash
# make translation, small: embedded vectors to table, curves and submission; a killed training goes on; nothing is made twice.
. "$(dirname "$0")/lib.sh"
unset ITR_RUNS_DIR                       # steps use ./runs
small() { make -f "$ROOT/pipelines/translation.mk" -I "$ROOT" BIN="$BIN" N=300 EPOCHS=3 MODELS="residual-mlp mlp ridge procrustes" SEEDS="1 2" TRAIN_FLAGS="--hidden 64 --batch-size 64" translation; }
O=data/translation

killed() {   # the whole group, once the first checkpoint is there
	setsid bash -c "$(declare -f small); ROOT='$ROOT' BIN='$BIN'; small" > killed.log 2>&1 & group=$!
	await "$group" eval "ls $O/*.ckpt.h5"
	kill -9 -- -"$group" 2> /dev/null; wait "$group" 2> /dev/null
	ls $O/*.ckpt.h5
}
t "killed at its first checkpoint" killed
t "the same command goes on to the end" small
t "table, summary, submission" bash -c "[ -s $O/table.csv ] && [ -s $O/summary.txt ] && [ -s $O/submission.csv ]"
t "a curve a network and seed" bash -c "[ \$(ls $O/*.curves.png | wc -l) = 4 ]"
t "submission: a row a query, 1,536 numbers" bash -c "head -n 1 $O/submission.csv | grep -qx 'id,embedding' && sed -n 2p $O/submission.csv | tr -cd , | wc -c | grep -qx 1536"
for m in residual-mlp mlp ridge procrustes; do
	t "$m is in the table" grep -q "$m" $O/table.csv
done
again() { small > log 2>&1 && ! grep -qE 'fetch-coco|train --model' log; }
t "a second time nothing is made again" again
