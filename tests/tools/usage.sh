#!/usr/bin/env bash
# What every program does alike: --help, --version, wrong use, a full disk behind standard output.
. "$(dirname "$0")/../lib.sh"
nearest() { "$BIN/$1" --thraeds 2 > out 2> err; [ $? = 2 ] && grep -q "did you mean '--threads'" err && [ ! -s out ]; }
abbreviated() { "$BIN/$1" --thr 2 2> err; [ $? = 2 ] && grep -q "write '--threads'" err; }
help() { "$BIN/$1" --help > out 2> err && [ ! -s err ] && head -n 1 out | grep -q "^$1 - " && grep -q '^Usage: ' out && grep -q '^Examples:' out && grep -q -- '--seed' out; }
full() { "$BIN/$1" "$2" > /dev/full 2> err; [ $? = 1 ] && grep -q 'cannot write standard output: No space left' err; }
version() { "$BIN/$1" --version | head -n 1 | grep -qE "^$1 \(itr\) [0-9]+\.[0-9]+"; }
# every option that --help gives a range refuses NaN and infinity, and the message tells the range
ranged() { for o in $("$BIN/$1" --help=mdoc | awk '/^\.It /{ sub(/.*Fl -/, ""); name = $1 } /\((from -?[0-9].*|above [0-9].*|[0-9.]+ or more)\)\.$/{ print name }'); do
	for v in nan inf -inf 1e999; do "$BIN/$1" --$o=$v > out 2> err; [ $? = 2 ] && grep -q "'--$o' needs" err || { echo "$1 --$o=$v"; return 1; }; done
	"$BIN/$1" --$o=-1e15 > out 2> err; [ $? = 2 ] && grep -qE "'--$o' is (from|above|[0-9.]+ or more)" err || { echo "$1 --$o=-1e15"; return 1; }; done; }
no_traces() { [ ! -e runs ]; }
for path in "$BIN"/*; do
	p=$(basename "$path")
	t "$p --help" help "$p"
	t "$p --version" version "$p"
	t "$p: an unknown option exits 2 and names the nearest" nearest "$p"
	t "$p: an abbreviation is refused with the full name" abbreviated "$p"
	expect_exit 2 "$p: an option without its value exits 2" "$BIN/$p" --seed
	expect_exit 2 "$p: a value of the wrong kind exits 2" "$BIN/$p" --seed abc
	t "$p: numbers outside of their range exit 2, which is told" ranged "$p"
	t "$p --help > /dev/full exits 1" full "$p" --help
	t "$p --version > /dev/full exits 1" full "$p" --version
done
t "none of these left a run behind" no_traces

# Real results on a full disk, short ones and ones longer than any buffer
{ "$BIN/fetch-coco" --synthetic 60 --size 64 --seed 1 -q -o s && "$BIN/extract-features" -q --image-encoder classic --text-encoder hash s/manifest.jsonl -o f.h5 && "$BIN/train" -q --model cca f.h5 -o cca.h5 &&
	"$BIN/extract-features" -q --model cca.h5 f.h5 -o e.npz; } > prepare.log 2>&1 || { cat prepare.log; echo "not ok - something to print"; FAILED=1; }
onto_full() { "$@" > /dev/full 2> err; [ $? = 1 ] && grep -q 'cannot write .*standard output: No space left' err; }
t "evaluate > /dev/full" onto_full "$BIN/evaluate" e.npz -q
t "evaluate --json > /dev/full" onto_full "$BIN/evaluate" e.npz --json -q
t "search > /dev/full" onto_full "$BIN/search" e.npz --random 3
t "search --json > /dev/full, a long one" onto_full "$BIN/search" e.npz --random 300 -k 50 --json
t "extract-features --list > /dev/full" onto_full "$BIN/extract-features" --list
t "extract-features --verify > /dev/full" onto_full "$BIN/extract-features" --verify f.h5
t "fetch-coco, the manifest on > /dev/full" onto_full "$BIN/fetch-coco" --synthetic 300 --size 32 -o s2
t "train --json > /dev/full" onto_full "$BIN/train" --model ridge f.h5 -o r.h5 --json
for c in list "list --json" "compare e e" "best t2i_recall_at_10" export; do
	[ "$c" = "compare e e" ] && c="compare $("$BIN/runs" list --json | jq -r '.runs[0:2][].id' | tr '\n' ' ')"
	t "runs ${c%% [0-9a-f][0-9a-f][0-9a-f]*} > /dev/full" onto_full "$BIN/runs" $c
done
