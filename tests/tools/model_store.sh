#!/usr/bin/env bash
# extract-features --model on a manifest: a fine-tuned model's own vectors as a feature store, which evaluate, search and train read.
. "$(dirname "$0")/../lib.sh"
"$BIN/fetch-coco" --synthetic 60 --size 64 --seed 7 --split-sizes none -q -o data > prepare.log 2>&1 || { tail -n 5 prepare.log; echo "not ok - scenes to train on"; exit 1; }
head -n 20 data/manifest.jsonl > data/few.jsonl
M=data/manifest.jsonl
"$BIN/train" --model heads --finetune text --text-encoder lstm --image-encoder classic --lr 2e-3 --epochs 2 $M -o m.h5 -q || exit 1
"$BIN/extract-features" --image-encoder classic --text-encoder hash $M -o plain.h5 -q || exit 1
store() { "$BIN/extract-features" --model m.h5 "$@" -q; }
same() {        # captions of over 2,048 tokens in all: several forwards of the LSTM
	store $M -o f.h5 && "$BIN/evaluate" f.h5 --split test --json -q > a.json && "$BIN/evaluate" --model m.h5 $M --split test --json -q > b.json && jq -en --slurpfile a a.json --slurpfile b b.json \
		'($a[0].t2i == $b[0].t2i) and ($a[0].i2t == $b[0].i2t) and $a[0].synthetic == true and ($a[0].t2i | tostring | length > 40)'; }
words() { "$BIN/search" --database f.h5 --model m.h5 --text 'a small red circle' -k 3 --json -q | jq -e '[.results[]? // .queries[].results[]] | length == 3'; }
trains() { "$BIN/train" --model procrustes f.h5 -o p.h5 -q; }
shards() { for i in 0 1; do store --shard $i/2 $M -o s$i.h5 || return 1; done; "$BIN/extract-features" --merge s0.h5 s1.h5 -o s.h5 -q && "$BIN/extract-features" --verify s.h5 --against f.h5 --json -q | jq -e '.against.images.least // .against | tostring | length > 2'; }
t "evaluate finds on the store what it finds by the model, in the parts that the model remembers" same
t "search asks it with words of any kind" words
t "train fits on it" trains
t "shards and --merge" shards
others() { store data/few.jsonl -o few.h5 2> few.log; "$BIN/extract-features" --model m.h5 data/few.jsonl -o few.h5 -f 2>&1 | grep -q "no split is stored"; }
t "other pictures than those of the training get no split" others
t "bf16 is another file" store --precision bf16 $M -o h.h5
expect_err "no encoders of its own: it was fitted on rows that another model made" "a model on rows of another model is sent to their store" "$BIN/extract-features" --model p.h5 $M -o x.h5
expect_exit 2 "encoders beside the model's are wrong use" "$BIN/extract-features" --model m.h5 --image-encoder classic $M -o x.h5
own() { "$BIN/extract-features" --model m.h5 f.h5 --split test -o own.npz -f -q && "$BIN/evaluate" own.npz --per-query none --json -q > o.json && "$BIN/evaluate" --model m.h5 f.h5 --split test --per-query none --json -q > p.json &&
	jq -en --slurpfile a a.json --slurpfile o o.json --slurpfile p p.json '$a[0].t2i == $o[0].t2i and $a[0].t2i == $p[0].t2i'; }
t "a model takes its own store as it is" own
expect_err "towers that take pictures" "a model with towers refuses a store of other rows" "$BIN/extract-features" --model m.h5 plain.h5 -o x.npz
expect_err "no word that the encoder knows" "words that say nothing" "$BIN/search" --database f.h5 --model m.h5 --text ' ' -k 1
"$BIN/train" --model heads --finetune text --text-encoder lstm --image-encoder classic --lr 2e-3 --epochs 1 --seed 99 $M -o m2.h5 -q || echo "not ok - a second model"
expect_err "made by another model" "another model of the same size does not answer for the store" "$BIN/search" --database f.h5 --model m2.h5 --text 'a small red circle' -k 1
head -c 20000 m.h5 > cut.h5
expect_err "cut.h5" "a truncated model is refused" "$BIN/extract-features" --model cut.h5 $M -o x.h5
# any kind of model on a plain store: extract-features and search give what evaluate gives
any_kind() {    # MODEL OPTIONS
	"$BIN/train" --split-sizes 0.6/0.2/0.2 --model "$@" plain.h5 -o k-$1.h5 -f -q 2> k.log && "$BIN/extract-features" --model k-$1.h5 plain.h5 --split test -o k-$1.npz -f -q &&
	"$BIN/evaluate" k-$1.npz --per-query none --json -q > e.json && "$BIN/evaluate" plain.h5 --model k-$1.h5 --split test --per-query none --json -q > d.json &&
	jq -en --slurpfile a e.json --slurpfile b d.json '$a[0].t2i == $b[0].t2i and $a[0].i2t == $b[0].i2t' &&
	"$BIN/search" plain.h5 --model k-$1.h5 --text 'a small red circle' -k 3 --json -q | jq -e '[.results[]? // .queries[].results[]] | length == 3' &&
	"$BIN/extract-features" --model k-$1.h5 $M -o k-$1.store.h5 -f -q && "$BIN/evaluate" k-$1.store.h5 --split test --per-query none --json -q > m.json && jq -en --slurpfile a e.json --slurpfile b m.json '$a[0].t2i == $b[0].t2i and $a[0].i2t == $b[0].i2t'; }
for kind in cca ridge procrustes; do t "$kind on a store: one answer from every program" any_kind $kind; done
expect_exit 2 "--features goes with kernel models" "$BIN/train" --model cca --features 64 plain.h5 -o k.h5
t "ridge with --idf on a store: one answer from every program" any_kind ridge --idf
for kind in kernel-ridge kernel-cca; do t "$kind on a store: one answer from every program" any_kind $kind --features 64; done
for kind in heads mlp residual-mlp; do t "$kind on a store: one answer from every program" any_kind $kind --epochs 1; done
# a manifest through a model that was fitted on rows of classic and hash: the rows of the store, pictures decoded as for it
as_stored() {    # MODEL: figures of manifest and store
	for f in large/m.jsonl fast.h5; do "$BIN/evaluate" --model $1 $f --split test --per-query none --bootstrap 0 --json -q | jq -c '.t2i, .i2t' > $f.figures || return 1; done
	cmp large/m.jsonl.figures fast.h5.figures && [ $(wc -l < fast.h5.figures) = 2 ]; }
decoded() {
	"$BIN/fetch-coco" --synthetic 24 --size 512 --seed 9 -q -o large && mv large/manifest.jsonl large/m.jsonl && "$BIN/extract-features" --image-encoder classic --text-encoder hash --fast-decode large/m.jsonl -q -o fast.h5 &&
	"$BIN/extract-features" --image-encoder classic --text-encoder hash large/m.jsonl -q -o slow.h5 && "$BIN/extract-features" --verify fast.h5 --against slow.h5 --json -q | jq -e '.against.image.cosine_min < 1' &&
	"$BIN/train" --model cca --dims 8 --regularization 0.1 fast.h5 -q -o kf-cca.h5 && "$BIN/train" --model mlp --hidden 8 -e 1 -b 32 fast.h5 -q -o kf-mlp.h5 && as_stored kf-cca.h5 && as_stored kf-mlp.h5 &&
	"$BIN/extract-features" --model kf-cca.h5 large/m.jsonl -q -o kf.h5 && grep -aq 'not below' kf.h5; }
t "a manifest through a model of classic and hash is its store, JPEGs decoded as then" decoded
t "nothing was left behind by the refused ones" test ! -e x.h5 -a ! -e x.npz
