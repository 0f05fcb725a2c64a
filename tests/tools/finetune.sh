#!/usr/bin/env bash
# train --finetune: towers trained from pictures and captions; interrupted and killed runs end with the same bytes, for any threads; what evaluate, predict and bad input do.
. "$(dirname "$0")/../lib.sh"
"$BIN/fetch-coco" --synthetic 60 --size 64 --seed 7 -q -o data > prepare.log 2>&1 || { tail -n 5 prepare.log; echo "not ok - scenes to train on"; exit 1; }
head -n 17 data/manifest.jsonl > data/few.jsonl
both="--model heads --finetune all --image-encoder mobilenet-v3-small --text-encoder lstm --batch-size 8 --epochs 2 --split-sizes 0.75/0.25/0"
text="--model heads --finetune text --text-encoder lstm --image-encoder classic --lr 2e-3 --batch-size 32 --epochs 12"
tune() { "$BIN/train" "$@" -q; }
learns() { tune $text data/manifest.jsonl -o text.h5 --json > r.json && jq -e '.synthetic == true and .final.val_t2i_recall_at_5 > 1.5 * 5 / 12' r.json; }
evaluated() { "$BIN/evaluate" --model text.h5 data/manifest.jsonl --split val --json -q > e.json && "$BIN/evaluate" --model text.h5 data/manifest.jsonl --split test --json -q --fail-if 't2i.recall@5<0.5' > test.json &&
	jq -e --slurpfile r r.json '(.t2i["recall@1"] // .t2i.metrics["recall@1"].value // .text_to_image["recall@1"]) as $v | $v == null or $v >= 0' e.json; }
vectors() { "$BIN/predict" --model text.h5 --side text data/few.jsonl -o v.npz -q && [ -s v.npz ]; }
whole() { mkdir whole && tune $both --bn batch data/few.jsonl -j 1 -o whole/m.h5; }
same() { cmp whole/m.h5 "$1/m.h5" && cmp whole/m.ckpt.h5 "$1/m.ckpt.h5"; }
threads() { mkdir two && (cd two && ln -s ../data data && tune $both --bn batch data/few.jsonl -j 2 -o m.h5) && cmp_weights whole/m.h5 two/m.h5; }
# the files differ in what they say of the run (threads, folder); their arrays must not
cmp_weights() { for f in "$1" "$2"; do "$BIN/predict" --model "$f" --side image data/few.jsonl -j 1 -o "$f.npz" --no-normalize --no-provenance -q -f || return 1; done; cmp "$1.npz" "$2.npz"; }
checkpointed() { "$BIN/train" $both --bn batch data/few.jsonl -j 2 -o kept.h5 -q --gradient-checkpointing && cmp_weights whole/m.h5 kept.h5; }
killed() {      # kill -9 behind the first checkpoint inside an epoch, then go on: the same model as of a run that was left alone
	mkdir killed; "$BIN/train" $both --bn batch data/few.jsonl -j "$1" -o killed/m.h5 -f -q --checkpoint-minutes 0.0001 & pid=$!
	await $pid [ -e killed/m.ckpt.h5 ]
	kill -9 $pid; wait $pid 2> /dev/null; [ -e killed/m.ckpt.h5 ] || return 1
	echo half > killed/.m.ckpt.h5.$pid.abcdef       # what it may have been writing
	"$BIN/train" --resume killed/m.ckpt.h5 -q && [ ! -e killed/.m.ckpt.h5.$pid.abcdef ] && cmp_weights whole/m.h5 killed/m.h5; r=$?; rm -rf killed; return $r
}
stopped() { mkdir stopped; set -m; "$BIN/train" $both --bn batch data/few.jsonl -j 2 -o stopped/m.h5 -q --checkpoint-minutes 0.0001 2> stopped.log & pid=$!; set +m   # -m: else a job in the background never sees SIGINT
	await $pid [ -e stopped/m.ckpt.h5 ]
	kill -INT $pid; wait $pid; [ $? = 130 ] && grep -q -- '--resume' stopped.log && "$BIN/train" --resume stopped/m.ckpt.h5 -q && cmp_weights whole/m.h5 stopped/m.h5; }
cached() {      # no dropout on this path: chunks give the whole batch's gradients, to rounding
	o="--model heads --finetune image --image-encoder mobilenet-v3-small --batch-size 8 --epochs 1 --bn running --augment none data/few.jsonl --json"
	tune $o -o plain.h5 > plain.json && tune $o --grad-cache 3 -o cached.h5 > cached.json && jq -en --slurpfile a plain.json --slurpfile b cached.json \
		'($a[0].final.train_loss - $b[0].final.train_loss | fabs) < 1e-4 and $a[0].steps == $b[0].steps'; }
bf16() { tune $both --precision bf16 --accumulate 2 --ema 0.9 --freeze-bn --bn running --augment full data/few.jsonl -o bf16.h5 --epochs 1; }
says() { grep -v '^$' data/few.jsonl | "$BIN/train" $both - -o x.h5; }
t "words from scratch onto fixed pictures learn more than chance" learns
t "evaluate reads the manifest, by the model's own vocabulary and split" evaluated
t "predict too" vectors
t "pixels and words, both towers, --bn batch" whole
t "the same weights for two threads" threads
t "--gradient-checkpointing: the same weights" checkpointed
t "killed with -9 and resumed, one thread: the same weights" killed 1
t "killed with -9 and resumed, two threads: the same weights" killed 2
t "Ctrl-C saves, exits 130 and says how to go on" stopped
t "GradCache embeds towers in chunks" cached
t "bf16, accumulation, averaging, frozen BatchNorm, every augmentation" bf16
one() { sed "$1" data/few.jsonl > data/bad.jsonl; }
one '3s/"image":"[^"]*"/"image":"images\/none.jpg"/;3s/"image": "[^"]*"/"image": "images\/none.jpg"/'
expect_err "none.jpg" "a picture that is not there is named" "$BIN/train" $both data/bad.jsonl -o x.h5
t "and left out where --max-failed allows it" tune $both --max-failed 1 data/bad.jsonl -o bad.h5 --epochs 1
one '3s/"text": *"[^"]*"/"text": "  "/g'
t "empty captions are named and left out" tune $both data/bad.jsonl -o empty.h5 --epochs 1
expect_err "one picture has none to compare with" "a batch of one with --bn batch" "$BIN/train" $both --bn batch --batch-size 1 data/few.jsonl -o x.h5
n=$(jq -s 'map(select(.split == "train" or .split == "restval") | .captions | length) | add' data/few.jsonl)
expect_err "leave one over" "a last batch of one with --bn batch" "$BIN/train" $both --bn batch --batch-size $((n - 1)) data/few.jsonl -o x.h5
expect_err "nothing to train" "an encoder without weights cannot be trained" "$BIN/train" --model heads --finetune image --image-encoder classic data/few.jsonl -o x.h5
expect_err "gives noise" "random weights that stay are refused" "$BIN/train" --model heads --finetune text --text-encoder lstm --image-encoder resnet18 data/few.jsonl -o x.h5
expect_err "needs a wordpiece vocabulary" "BERT from scratch needs its vocabulary" "$BIN/train" --model heads --finetune text --text-encoder bert data/few.jsonl -o x.h5
expect_err "resnet" "an unknown tower is answered with the nearest" "$BIN/train" --model heads --finetune image --image-encoder resnet5 data/few.jsonl -o x.h5
expect_exit 2 "--finetune without a network is wrong use" "$BIN/train" --model heads --finetune image data/few.jsonl -o x.h5
expect_exit 2 "a manifest without --finetune is wrong use" "$BIN/train" --model heads data/few.jsonl -o x.h5
expect_exit 2 "--augment without --finetune is wrong use" "$BIN/train" --model heads --augment flip f.h5 -o x.h5
expect_err "manifest" "a model with towers refuses stored vectors" "$BIN/evaluate" --model text.h5 v.npz
head -c 30000 text.h5 > cut.h5
expect_err "cut.h5" "a truncated model is refused" "$BIN/evaluate" --model cut.h5 data/manifest.jsonl
W=$SHARED/weights/efficientnet_lite0/efficientnet-lite0-57934424.pth
if [ -e "$W" ]; then
	expect_err "resnet18" "another tower's weights are refused" "$BIN/train" --model heads --finetune image --image-encoder resnet18 --image-weights "$W" data/few.jsonl -o x.h5
	t "published weights, words from scratch: pictures encoded once" tune --model heads --finetune text --text-encoder lstm --image-encoder efficientnet-lite0 --image-weights "$W" data/few.jsonl -o w.h5 --epochs 1
	cp w.h5 alone.h5; t "the model file holds the fixed tower too" "$BIN/evaluate" --model alone.h5 data/few.jsonl --split val -q
else
	skip "published weights" "no $W"
fi
t "nothing was left behind by the refused ones" test ! -e x.h5
