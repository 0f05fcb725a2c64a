#!/usr/bin/env bash
# train --max-memory: vectors that stay in their file give the same model, byte for byte, for any amount, any number of threads, and after kill -9.
. "$(dirname "$0")/../lib.sh"

"$BIN/fetch-coco" --synthetic 400 --seed 3 -q -o s > /dev/null && "$BIN/extract-features" --image-encoder classic --text-encoder hash s/manifest.jsonl -q -o f.h5 && "$BIN/fetch-coco" --synthetic 40 --as-embeddings --seed 3 -q -o d > /dev/null ||
	{ echo "not ok - no store to train on"; exit 1; }
options="--hidden 48 --batch-size 64 --epochs 3 --seed 5 --no-provenance --no-track"
net() { "$BIN/train" --model "${model:-mlp}" $options -q "$@"; }
same() { net f.h5 -o whole.h5 -f && for memory in 2M 300k 1; do for j in 1 2; do net f.h5 --max-memory $memory -j $j -f --json -o part.h5 > p.json && cmp whole.h5 part.h5 && jq -e '.final.val_loss > 0' p.json || return 1; done; done; }

t "mlp: the same bytes with 2 MB, 300 KB and the least" same
t "heads: the same bytes" eval 'model=heads same'
t "GradCache takes its rows twice: the same bytes" eval 'model=heads net f.h5 --grad-cache 16 -f -o c1.h5 && model=heads net f.h5 --grad-cache 16 --max-memory 1M -f -o c2.h5 && cmp c1.h5 c2.h5'

# kill -9 in the middle of an epoch; the checkpoint remembers the amount, and another one may be given
crash() { rm -f k.*; "$BIN/train" --model mlp $options -q f.h5 --max-memory 1M --epochs 40 --checkpoint-minutes 0 -o k.h5 & pid=$!
	await $pid [ -f k.ckpt.h5 ]; kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null; "$BIN/train" --resume k.ckpt.h5 -q "$@" && cmp k.h5 long.h5; }
net f.h5 --epochs 40 -o long.h5
t "kill -9 and --resume: the same bytes" crash
t "--resume with another amount: the same bytes" crash --max-memory 3M

loaded() { "$BIN/train" --model mlp $options f.h5 --max-memory 1M -o x.h5 2> x.log && ! grep 'loaded whole' x.log && "$BIN/train" --model mlp $options d/train.npz --max-memory 1K -o n.h5 2> n.log && grep -q "the text vectors of 'd/train.npz' are loaded whole" n.log; }
t "an NPZ is loaded, with a warning" loaded
expect_exit 2 "no amount" net f.h5 --max-memory lots -o x.h5
expect_exit 2 "nothing" net f.h5 --max-memory 0 -o x.h5
expect_exit 2 "pictures are no stored vectors" net s/manifest.jsonl --model heads --finetune image --image-encoder mobilenet-v3-small --max-memory 1M -o x.h5

# a store that is written to while it is read: no model, and a message
written_to() { cp f.h5 w.h5; "$BIN/train" --model mlp $options w.h5 --max-memory 1M --epochs 100000 --patience 0 -o w.model.h5 2> w.log & pid=$!
	await $pid [ -f w.model.ckpt.h5 ]; touch w.h5; wait $pid; [ $? = 1 ] && grep -q "'w.h5' has changed while it was being read" w.log; }
t "a store that is written to meanwhile stops it" written_to
replaced() { cp f.h5 r.h5; "$BIN/train" --model mlp $options -q r.h5 --max-memory 1M --epochs 40 --checkpoint-minutes 0 -o r.model.h5 & pid=$!
	await $pid [ -f r.model.ckpt.h5 ]; cp d/train.npz r.new && mv r.new r.h5; wait $pid && cmp r.model.h5 long.h5; }
t "one that another file is put in the place of is read on" replaced
exit $FAILED
