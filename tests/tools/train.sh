#!/usr/bin/env bash
# train: closed forms on scenes; choice on val, same bytes for any threads, what is refused.
. "$(dirname "$0")/../lib.sh"
{ "$BIN/fetch-coco" --synthetic 120 --size 96 --seed 7 -q -o data && "$BIN/extract-features" --image-encoder classic --text-encoder hash data/manifest.jsonl -q -o f.h5; } > prepare.log 2>&1 \
	|| { tail -n 5 prepare.log; echo "not ok - the features to train on"; exit 1; }
chooses() { "$BIN/train" --model cca f.h5 --json -q -o cca.h5 > r.json && jq -e '(.trials | length) == 5 and .synthetic == true and .val_images == 24 and .train_texts == 360
	and (.best.regularization as $r | .trials | max_by(.val_mean_recall_at_10).val_mean_recall_at_10 == (map(select(.regularization == $r))[0].val_mean_recall_at_10))' r.json; }
learns() { jq -e '.final.val_t2i_recall_at_10 > 1.3 * 10 / 24' r.json; }
threads() { for m in cca ridge procrustes; do for j in 1 2; do "$BIN/train" --model $m f.h5 -q -j $j -f -o $m.h5 && mv $m.h5 $m-$j.h5 || return 1; done; cmp $m-1.h5 $m-2.h5 || return 1; done; }
absolute() { "$BIN/train" --model ridge --lambda 3 f.h5 --json -q -f -o ridge.h5 > r.json && jq -e '(.trials | length) == 1 and (.best.lambda - 3 | fabs) < 1e-9 and .dim == 2048' r.json; }
other_way() { "$BIN/train" --model procrustes --direction image-to-text f.h5 --json -q -f -o p.h5 > r.json && jq -e '.dim == 768' r.json; }
narrow() { "$BIN/train" --model cca --dims 16 --regularization 0.1 f.h5 --json -q -f -o n.h5 > r.json && jq -e '.dim == 16 and .best.regularization == 0.1' r.json; }
tracked() { run=$(ls -d runs/*/*/params | head -n 1) && [ -n "$run" ] && [ "$(cat runs/*/*/metrics/val_t2i_recall_at_10 | wc -l)" -ge 5 ]; }
t "cca tries every regularization and takes the best on val" chooses
t "it finds more than chance" learns
t "the run holds the trials" tracked
t "same bytes for 1 and 2 threads" threads
t "--lambda is taken as it is" absolute
t "--direction image-to-text" other_way
t "--dims and one regularization" narrow
expect_err "exists" "an existing model is not overwritten" "$BIN/train" --model cca f.h5 -q -o n.h5
expect_err "no.such.h5" "a missing input is named" "$BIN/train" --model cca no.such.h5 -q -o x.h5
expect_exit 2 "a manifest is refused, with the way to vectors" "$BIN/train" --model cca data/manifest.jsonl -q -o x.h5
printf 'not an HDF5 file' > text.h5
expect_err "." "a file that is no store is refused" "$BIN/train" --model cca text.h5 -q -o x.h5
head -c 20000 f.h5 > cut.h5
expect_err "cut.h5.*cut short or damaged" "a truncated store is refused, and called that" "$BIN/train" --model cca cut.h5 -q -o x.h5
expect_exit 2 "an unknown model exits 2" "$BIN/train" --model ccca f.h5 -o x.h5
expect_exit 2 "no model exits 2" "$BIN/train" f.h5 -o x.h5
expect_exit 2 "a negative regularization exits 2" "$BIN/train" --model cca --regularization=-1 f.h5 -o x.h5
t "nothing was left behind by the refused ones" test ! -e x.h5
