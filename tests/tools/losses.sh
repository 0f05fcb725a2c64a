#!/usr/bin/env bash
# train --loss NAME: every loss over a batch teaches heads on scenes, the same file for any threads; what a loss trains itself survives a crash; options that do not fit are refused.
. "$(dirname "$0")/../lib.sh"
{ "$BIN/fetch-coco" --synthetic 160 --size 96 --seed 7 -q -o data && "$BIN/extract-features" --image-encoder classic --text-encoder hash data/manifest.jsonl -q -o f.h5; } > prepare.log 2>&1 \
	|| { tail -n 5 prepare.log; echo "not ok - the features to train on"; exit 1; }
heads() { "$BIN/train" --model heads --embed-dim 32 --batch-size 64 --lr 2e-3 f.h5 -q -f --no-provenance "$@"; }
# 32 images to choose from: chance is 31 %
learns() { heads --loss "$1" --epochs 20 -j 1 --json -o 1.h5 > r.json && heads --loss "$1" --epochs 20 -j 2 --json -o 2.h5 > /dev/null && cmp 1.h5 2.h5 &&
	jq -e --arg l "$1" '.loss == $l and .final.val_t2i_recall_at_10 > 0.6 and .final.val_i2t_recall_at_10 > 0.6 and .final.train_loss > 0' r.json; }
chunks() { heads --loss "$1" --epochs 3 --grad-cache 16 --json -o c.h5 > c.json && heads --loss "$1" --epochs 3 --json -o w.h5 > w.json &&
	jq -e --slurpfile w w.json '(.final.val_loss / $w[0].final.val_loss - 1 | fabs) < 1e-3' c.json; }
# bias and scale of the loss move the weights of the heads: without them in the checkpoint the file would be another
crash() { heads --loss sigmoid --epochs 40 --patience 0 --json -o whole.h5 > /dev/null || return 1
	"$BIN/train" --model heads --embed-dim 32 --batch-size 64 --lr 2e-3 f.h5 -q --no-provenance --loss sigmoid --epochs 40 --patience 0 -o k.h5 > k.log 2>&1 & pid=$!     # no function: kill would reach its shell
	await $pid [ -f k.ckpt.1.h5 ]
	kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null; "$BIN/train" --resume k.ckpt.h5 -q --no-provenance > /dev/null && cmp whole.h5 k.h5; }
three() { for h in sum max; do heads --loss vsepp --epochs 1 --hinge $h --json -o h.h5 > h-$h.json || return 1; done; heads --loss vsepp --epochs 1 --margin 0.5 --json -o h.h5 > h-margin.json || return 1
	[ "$(jq -s 'map(.final.train_loss) | unique | length' h-*.json)" = 3 ]; }
dims() { heads --loss matryoshka --epochs 1 --matryoshka-dims 32,8 --matryoshka-weights 1,0.5 --json -o d.h5 > d.json && heads --loss matryoshka --epochs 1 --json -o d2.h5 > d2.json &&
	jq -e --slurpfile o d2.json '.final.train_loss < $o[0].final.train_loss' d.json; }
help() { for l in infonce sigmoid vsepp triplet matryoshka; do "$BIN/train" --help | grep -q "^Loss .*$l" && "$BIN/train" --help=mdoc | grep -q "^Loss .*$l" || return 1; done; }

for l in infonce sigmoid vsepp triplet matryoshka; do t "--loss $l teaches heads; one file for one and two threads" learns $l; done
for l in sigmoid triplet; do t "--loss $l by chunks" chunks $l; done
t "sigmoid's own bias and scale are resumed" crash
t "--hinge and --margin make other losses" three
t "--matryoshka-dims and their weights" dims
t "--help and the man page have a group for each" help
expect_exit 2 "an option of another loss is a usage error" heads --loss infonce --margin 0.3 -o no.h5
t "which says whose it is" eval "heads --loss infonce --margin 0.3 -o no.h5 2>&1 | grep -q -- \"'--margin' belongs to --loss vsepp or --loss triplet\""
expect_err "--matryoshka-dims: 33, but embeddings have 32 dimensions" "more dimensions than there are" heads --loss matryoshka --matryoshka-dims 16,33 -o no.h5
expect_err "1 weights for 2 dimensions" "fewer weights than dimensions" heads --loss matryoshka --matryoshka-dims 16,32 --matryoshka-weights 1 -o no.h5
t "and leaves no file" [ ! -e no.h5 ]
