#!/usr/bin/env bash
# Captions that stand under several pictures; stores without a split, dealt out by train's own seed.
. "$(dirname "$0")/../lib.sh"
fetch() { "$BIN/fetch-coco" --synthetic 60 --seed 3 --split-sizes none -o d -q > /dev/null; }
t "a manifest without a split" fetch
t "says nothing of parts" bash -c "! grep -q '\"split\"' d/manifest.jsonl && [ ! -e d/composed.jsonl ]"
# One caption a picture; pictures 0, 20, 40 share theirs, 1 and 21 share another.
cut() { jq -c 'if .id then .captions |= [.[0]] else . end' d/manifest.jsonl | jq -cs '[.[] | select(.id)] as $r | .[0], ($r | to_entries[] | (.key % 20) as $k |
	.value | if ($k == 0 or ($k == 1 and .id != $r[41].id)) then .captions[0].text = "shared \($k)" else .captions[0].text = .id + " alone" end)' > d/one.jsonl; }
t "captions that repeat" cut
t "features" "$BIN/extract-features" --image-encoder classic --text-encoder hash d/one.jsonl -o f.h5 -q
t "a fit on them" "$BIN/train" --model ridge --lambda 1 --direction image-to-text --split-sizes 0.8/0/0.2 --seed 5 f.h5 -o m.h5 -q
said() { "$BIN/extract-features" --image-encoder classic --text-encoder hash d/one.jsonl -o g.h5 --json > x.json 2> x.err && jq -e '.equal_captions == 5' x.json && grep -q "5 of 60 captions stand under more than one image.*--relevance captions:g.h5" x.err; }
t "extraction counts them and names the option" said
named() { "$BIN/evaluate" --model m.h5 "$1" --bootstrap 0 --per-query none --json -q > y.json 2> y.err && jq -e '.equal_captions == 5 and (.warnings | map(test("^5 of 60 texts have a caption that another image.*--relevance captions:'"$1"' counts")) | any)' y.json; }
t "evaluate counts them and names the option" named f.h5
t "not where the relevance knows them" bash -c "'$BIN/evaluate' --model m.h5 f.h5 --relevance captions:f.h5 --bootstrap 0 --per-query none --json -q | jq -e 'has(\"equal_captions\") | not'"
relevant() { "$BIN/evaluate" --model m.h5 f.h5 --relevance "captions:$1" --bootstrap 0 --per-query none --qrels-out "$2" --json -q > "$3"; }
t "relevance by the words of the store" relevant f.h5 a.qrels a.json
t "by those of the manifest" relevant d/one.jsonl b.qrels b.json
t "is the same" bash -c "cmp a.qrels b.qrels && jq -e '.relevance == \"captions:f.h5\"' a.json"
# 55 captions alone, 3 x 3 and 2 x 2: 68 pairs a direction
t "each shared caption answers all its pictures" bash -c "[ \$(grep -c '^t2i' a.qrels) = 68 ] && [ \$(grep -c '^i2t' a.qrels) = 68 ]"
t "the model's own test part is 12 pictures" bash -c "'$BIN/evaluate' --model m.h5 f.h5 --split test --bootstrap 0 --per-query none --json -q | jq -e '.t2i.n_gallery == 12'"
t "positives outside of the part do not count" bash -c "'$BIN/evaluate' --model m.h5 f.h5 --split test --relevance captions:f.h5 --bootstrap 0 --per-query none --json -q | jq -e '(.outside // 0) == 0 and (.warnings | map(test(\"outside|gallery\")) | any | not)'"
t "embeddings of that part" "$BIN/extract-features" --model m.h5 f.h5 --split test -o e.npz -q
t "give the same figures" bash -c "'$BIN/evaluate' e.npz --bootstrap 0 --per-query none --json -q | jq -S '[.t2i, .i2t]' > x; '$BIN/evaluate' --model m.h5 f.h5 --split test --bootstrap 0 --per-query none --json -q | jq -S '[.t2i, .i2t]' > y; cmp x y"
other() { head -n 41 d/one.jsonl > d/less.jsonl && "$BIN/extract-features" --image-encoder classic --text-encoder hash d/less.jsonl -o less.h5 -q; }
t "a store of other pictures" other
expect_err "part 'train'|another split|differs" "is refused by evaluate" "$BIN/evaluate" --model m.h5 less.h5 --split test --per-query none
expect_err "is not what 'm.h5' was fitted on" "and by extract-features" "$BIN/extract-features" --model m.h5 less.h5 --split test -o less.npz
expect_err "lacks the captions of 20 of the 60 texts" "words that are missing are said" "$BIN/evaluate" --model m.h5 f.h5 --relevance captions:less.h5 --per-query none
expect_err "No such file" "a file that is not there" "$BIN/evaluate" --model m.h5 f.h5 --relevance captions:nowhere.h5 --per-query none
