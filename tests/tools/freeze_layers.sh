#!/usr/bin/env bash
# train --freeze-layers: what it means, what it refuses, and that a run goes on with it or not at all. (That frozen arrays stay and the others get the same gradients: unit test model_fix.)
. "$(dirname "$0")/../lib.sh"
"$BIN/fetch-coco" --synthetic 17 --size 64 --seed 7 -q -o data > prepare.log 2>&1 || { tail -n 5 prepare.log; echo "not ok - scenes to train on"; exit 1; }
o="--model heads --finetune image --image-encoder mobilenet-v3-small --text-encoder hash --bn batch --batch-size 8 --epochs 2 --split-sizes 0.75/0.25/0 data/manifest.jsonl"
tune() { "$BIN/train" $o "$@" -q; }
fewer() { tune --epochs 1 --json -o all.h5 > all.json && tune --freeze-layers 11 --json -o part.h5 > part.json && jq -en --slurpfile a all.json --slurpfile p part.json \
	'$a[0].parameters == $p[0].parameters and $p[0].trained_parameters < $a[0].trained_parameters and $p[0].tape_mb > 0 and $p[0].tape_mb < $a[0].tape_mb' && [ "$(stat -c %s part.ckpt.h5)" -lt "$(stat -c %s all.ckpt.h5)" ]; }
says() { "$BIN/train" $o --epochs 1 --freeze-layers 'features.[0-9],features.10.*' -o says.h5 2>&1 | grep -q "frozen by 'features.\[0-9\],features.10.\*': 0.* of 0.94 million"; }
vectors() { "$BIN/predict" --model "$1" --side image data/manifest.jsonl -o "$1.npz" --no-normalize --no-provenance -q -f; }
resumed() {
	mkdir k; "$BIN/train" $o --freeze-layers 11 -o k/m.h5 -q --checkpoint-minutes 0.0001 & pid=$!
	await $pid [ -e k/m.ckpt.h5 ]
	kill -9 $pid; wait $pid 2> /dev/null; cp k/m.ckpt.h5 other.ckpt.h5 && "$BIN/train" --resume k/m.ckpt.h5 -q && vectors k/m.h5 && vectors part.h5 && cmp k/m.h5.npz part.h5.npz
}
t "eleven blocks frozen: fewer trained numbers, less memory, a smaller checkpoint" fewer
t "it says how much is frozen" says
t "killed with -9 and resumed: the same weights" resumed
expect_err "freeze-layers.*11" "resuming with another value is refused" "$BIN/train" --resume other.ckpt.h5 --freeze-layers 10 -q
expect_err "freeze-layers" "resuming a run that froze nothing with some is refused" "$BIN/train" --resume all.ckpt.h5 --freeze-layers 10 -q
expect_err "there are features.0" "a name that is not there is answered with those that are" tune --freeze-layers layer1 -o x.h5
expect_err "has 13 blocks" "more blocks than there are" tune --freeze-layers 14 -o x.h5
expect_err "leaves nothing" "everything" tune --freeze-layers 13 -o x.h5
one() { tune --freeze-layers 'features.[0-9],features.1[01],features.12.1' --batch-size 1 --epochs 1 -o one.h5; }
t "a batch of one where no BatchNorm is left that moves" one
expect_exit 2 "it belongs to --finetune" "$BIN/train" --model heads --freeze-layers 1 f.h5 -o x.h5
t "nothing was left behind by the refused ones" test ! -e x.h5
