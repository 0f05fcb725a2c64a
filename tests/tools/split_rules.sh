#!/usr/bin/env bash
# train --split-by label, group:FILE: groups stay together, the model remembers the rule, evaluate deals a store out alike or refuses.
. "$(dirname "$0")/../lib.sh"
"$BIN/fetch-coco" --synthetic 90 --size 64 --seed 7 -q -o s && mkdir -p lab && for d in a b c d e f; do mkdir -p lab/$d; done
n=0; for p in s/images/*.jpg; do n=$((n + 1)); d=$(printf 'abcdef' | cut -c$((n % 6 + 1))); cp "$p" lab/$d/$n.jpg; echo "scene number $n in $d" > lab/$d/$n.txt; done
"$BIN/fetch-coco" --from sidecar lab --split-sizes none -q -o m > prepare.log 2>&1 && "$BIN/extract-features" --image-encoder classic --text-encoder hash m/manifest.jsonl -q -o f.h5 >> prepare.log 2>&1 ||
	{ tail -n 5 prepare.log; echo "not ok - a store without a split"; exit 1; }
{ echo id,group; jq -r 'select(.id) | .id' m/manifest.jsonl | awk '{print $0 ",g" NR % 9}'; } > g.csv
# names that other data sets use for the parts, in a manifest and for --split
"$BIN/fetch-coco" --from sidecar lab -q -o parts > prepare.log 2>&1; sed 's/"split":"val"/"split":"Dev"/; s/"split":"train"/"split":"training"/' parts/manifest.jsonl > parts/other.jsonl
for k in manifest other; do "$BIN/extract-features" --image-encoder classic --text-encoder hash parts/$k.jsonl --no-provenance -q -o parts/$k.h5 >> prepare.log 2>&1; done
t "dev and training in a manifest are val and train" cmp parts/manifest.h5 parts/other.h5
score() { "$BIN/evaluate" --model p.h5 parts/manifest.h5 --split "$1" --no-provenance --per-query none -q; }
t "--split validation is --split val" sh -c '"$0" --model cca --dims 8 --regularization 0.1 parts/manifest.h5 -q -o p.h5' "$BIN/train"
t "with the same figures" sh -c "$(declare -f score); BIN='$BIN'; score val > a && score validation > b && cmp a b"
expect_err "unknown split 'vall': did you mean 'val'" "a name that is none" score vall
rule() { "$BIN/train" --model cca --dims 8 --regularization 0.1 "$@" -q; }
t "--split-by label" rule --split-by label f.h5 -o l.h5
t "evaluate deals the store out by the labels that the model remembers" "$BIN/evaluate" --model l.h5 f.h5 --split test -q
t "--split-by group:FILE" rule --split-by group:g.csv f.h5 -o g.h5
t "evaluate deals the store out by those groups, from another folder too" sh -c 'mkdir -p away && cd away && "$0" --model ../g.h5 ../f.h5 --split test -q' "$BIN/evaluate"
t "so does extract-features" "$BIN/extract-features" --model g.h5 f.h5 --split test -q -o e.npz
t "a network remembers them as well" sh -c '"$0" --model mlp --hidden 8 --epochs 1 --split-by group:g.csv f.h5 -q -o n.h5 && "$1" --model n.h5 f.h5 --split val -q' "$BIN/train" "$BIN/evaluate"
cp g.csv kept.csv; { head -1 kept.csv; tail -n +2 kept.csv | awk -F, '{print $1 ",h" NR % 7}'; } > g.csv
expect_err "is not the one that the model was fitted with" "other groups under the same name are refused" "$BIN/evaluate" --model g.h5 f.h5 --split test -q
rm g.csv
expect_err "cannot open '.*g.csv'" "groups that are gone are named" "$BIN/evaluate" --model g.h5 f.h5 --split test -q
expect_err "no labels to split by" "labels that the store does not have" sh -c '"$0" --from flickr "$1" --split-sizes none -q -o fl && "$2" --image-encoder classic --text-encoder hash fl/manifest.jsonl -q -o fl.h5 &&
	"$3" --model cca --split-by label fl.h5 -o x.h5' "$BIN/fetch-coco" "$(mkdir -p fl0 && cp s/images/00000000000[1-9].jpg fl0 && (echo image,caption; cd fl0 && ls *.jpg | sed 's/.*/&,scene &/') > list.csv && mv list.csv fl0/captions.csv && echo fl0)" "$BIN/extract-features" "$BIN/train"
expect_exit 2 "near is for pictures" rule --split-by near f.h5 -o x.h5
expect_exit 2 "an unknown rule" rule --split-by labels f.h5 -o x.h5
expect_exit 2 "a group without a file" rule --split-by group: f.h5 -o x.h5

# every reader of text takes a byte-order mark, UTF-16 and line ends of any system
{ printf '\357\273\277'; cat m/manifest.jsonl; } > m/bom.jsonl; iconv -f UTF-8 -t UTF-16 m/manifest.jsonl > m/wide.jsonl; sed 's/$/\r/' m/manifest.jsonl > m/crlf.jsonl
for k in bom wide crlf; do t "a manifest: $k" sh -c '"$0" --image-encoder classic --text-encoder hash m/$2.jsonl -q --no-provenance -o $2.h5 && "$0" --image-encoder classic --text-encoder hash m/manifest.jsonl -q --no-provenance -f -o plain.h5 &&
	cmp plain.h5 $2.h5' "$BIN/extract-features" - $k; done
printf 'a red circle\nblue square\n' > q.txt; iconv -t UTF-16LE q.txt > q16.txt; { printf '\357\273\277'; sed 's/$/\r/' q.txt; } > qbom.txt; tr '\n' '\r' < q.txt > qmac.txt
vocab=$TMP/v.txt; printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a red circle blue square > $vocab
for k in q16 qbom qmac; do t "captions: $k" sh -c '"$0" --tokenizer wordpiece:$1 q.txt -q > a && "$0" --tokenizer wordpiece:$1 $2.txt -q > b && cmp a b && grep -q "\[2,5,6,7,3\]" a' "$BIN/tokenize" $vocab $k; done

# one meaning of a part for every kind of model: train takes restval in, all pictures of a part are in the gallery, a part that nobody knows is refused
"$BIN/fetch-coco" --synthetic 60 --size 48 --seed 7 -q -o r && jq -c 'if .id == null then . elif .split == "train" and (.id | tonumber) % 3 == 0 then .split = "restval" elif .split == "test" and (.id | tonumber) % 4 == 0 then .captions = [] else . end' r/manifest.jsonl > r/m.jsonl &&
	"$BIN/extract-features" --image-encoder classic --text-encoder hash r/m.jsonl -q -o r.h5 > prepare.log 2>&1 || { tail -n 5 prepare.log; echo "not ok - a store with restval"; FAILED=1; }
count() { jq -r --arg s "$1" 'select(.id and ((.split == $s) or ($s == "train" and .split == "restval"))) | .id' r/m.jsonl | wc -l; }
for k in cca heads; do
	o="--dims 8 --regularization 0.1"; [ $k = cca ] || o="--embed-dim 8 -e 1"
	"$BIN/train" --model $k $o r.h5 -q -o r-$k.h5 > /dev/null 2>&1
	for s in train test; do "$BIN/evaluate" --model r-$k.h5 r.h5 --split $s --json --per-query none -q > $k-$s.json 2> $k-$s.log; t "$k: $s has all its pictures" test "$(jq .n_images $k-$s.json)" = "$(count $s)"; done
	t "$k: restval in train is said" grep -q "train holds the [1-9][0-9]* images of restval too" $k-train.json
done
t "extract-features --split train takes the same rows" sh -c '"$0" --model r-cca.h5 r.h5 --split train -q -o r-train.npz --json > x.json && test "$(jq .images x.json)" = "$(jq .n_images cca-train.json)"' "$BIN/extract-features"
"$BIN/extract-features" --model r-cca.h5 r.h5 -q -o e.npz > prepare.log 2>&1
expect_err "has no split: omit --split" "a part of embeddings that have none and no model that remembers" "$BIN/extract-features" e.npz --split test -q -o x.npz
