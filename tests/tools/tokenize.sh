#!/usr/bin/env bash
# tokenize: ids and spellings, a manifest, cutting, lengths, a vocabulary that is built and used; with the real vocabularies where they are.
. "$(dirname "$0")/../lib.sh"
T=$BIN/tokenize; V=wordpiece:$ROOT/tests/golden/tokenizers_vocab.txt; M=clip-bpe:$ROOT/tests/golden/tokenizers_merges.txt
printf 'a dog runs\n\nA  DOG [MASK]\n' > c.txt
ids() { "$T" -t "$V" < c.txt > o.txt && [ "$(wc -l < o.txt)" = 3 ] && jq -s -e '.[1] | length == 2' o.txt && jq -s -e '.[0][:3] == .[2][:3] and (.[2] | length) == 5' o.txt; }
t "one array of ids a line, an empty caption too" ids
spelled() { "$T" -t "$V" --tokens c.txt | head -n 1 | grep -qx '\["\[CLS\]","a","dog","run","##s","\[SEP\]"\]' || "$T" -t "$V" --tokens c.txt | head -n 1 | grep -qx '\["\[CLS\]","a","dog","runs","\[SEP\]"\]'; }
t "--tokens spells them" spelled
cut_at() { "$T" -t "$V" --tokens --max-length 3 c.txt | head -n 1 | grep -qx '\["\[CLS\]","a","\[SEP\]"\]'; }
t "--max-length keeps the last special token" cut_at
clip() { "$T" -t "$M" --tokens c.txt | head -n 1 | jq -e '.[0] == "<|startoftext|>" and .[-1] == "<|endoftext|>" and .[1] == "a</w>"'; }
t "clip-bpe" clip
open_clip() { printf 'caf&amp;eacute;\n' > e.txt && printf 'caf\303\251\n' > f.txt && [ "$("$T" -t "$M" --clip-clean open_clip e.txt)" = "$("$T" -t "$M" --clip-clean open_clip f.txt)" ] && [ "$("$T" -t "$M" e.txt)" != "$("$T" -t "$M" f.txt)" ]; }
t "--clip-clean open_clip resolves entities twice" open_clip
gz() { gzip -c "$ROOT/tests/golden/tokenizers_merges.txt" > m.txt.gz && [ "$("$T" -t clip-bpe:m.txt.gz c.txt)" = "$("$T" -t "$M" c.txt)" ]; }
t "packed merges" gz
folder() { mkdir -p model && cp "$ROOT/tests/golden/tokenizers_vocab.txt" model/vocab.txt && [ "$("$T" -t model c.txt)" = "$("$T" -t "$V" c.txt)" ] && echo '{"do_lower_case":false}' > model/tokenizer_config.json &&
	[ "$("$T" -t model c.txt)" = "$("$T" -t "$V" --cased c.txt)" ] && [ "$("$T" -t model c.txt)" != "$("$T" -t "$V" c.txt)" ]; }
t "a model's folder, its tokenizer_config.json obeyed" folder
printf '{"itr_manifest":1,"root":"."}\n{"id":"1","image":"a.png","captions":[{"id":"1","text":"a dog runs"},{"id":"2","text":""}],"synthetic":false}\n\n{"id":"2","image":"b.png","captions":[],"synthetic":false}\n{"id":"3","image":"c.png","captions":[{"id":"3","text":"A  DOG [MASK]"}],"synthetic":false}\n' > m.jsonl
manifest() { "$T" -t "$V" c.txt > a && "$T" -t "$V" m.jsonl | cmp - a && "$T" -t "$V" < m.jsonl | cmp - a && "$T" -t "$V" m.jsonl -o b && cmp a b; }
t "a manifest's captions, by name, on standard input, into a file" manifest
lengths() { "$T" -t "$V" --lengths c.txt | grep -q '^3 captions' && "$T" -t "$V" --lengths --json c.txt m.jsonl | jq -e '.captions == 6 and (.histogram | add) == 6 and .longest_file == "c.txt" and .provenance.tool == "tokenize"' &&
	"$T" -t "$V" --lengths --json --no-provenance c.txt | jq -e 'has("provenance") | not'; }
t "--lengths" lengths
built() { "$T" --build-vocab m.jsonl -o v.txt -q && [ "$(tr '\n' ' ' < v.txt)" = "<pad> <unk> <start> <end> a dog runs mask " ] && [ "$(echo 'The dog!' | "$T" -t words:v.txt --tokens)" = '["<start>","<unk>","dog","<end>"]' ] &&
	[ "$("$T" --build-vocab --min-count 2 m.jsonl -q | wc -l)" = 6 ] && [ "$("$T" --build-vocab --max-size 5 m.jsonl -q | wc -l)" = 5 ]; }
t "--build-vocab, and the vocabulary used" built
expect_err "'v.txt' exists" "an output is not overwritten" "$T" --build-vocab m.jsonl -o v.txt
expect_exit 2 "no tokenizer" "$T" c.txt
expect_exit 2 "--max-length 1 has no room for both special tokens" "$T" -t "$V" --max-length 1 c.txt
expect_err "did you mean 'wordpiece'" "an unknown kind names the nearest" "$T" -t wordpeice:x c.txt
expect_err 'there were no captions' "nothing in is a failure" "$T" -t "$V" /dev/null
expect_err 'No such file' "captions that are not there" "$T" -t "$V" nowhere.txt
expect_err 'is a folder' "a folder as captions" "$T" -t "$V" model
echo '{"captions":3}' > bad.jsonl
expect_err "bad.jsonl:1: no array 'captions'" "JSON that is no manifest" "$T" -t "$V" bad.jsonl
expect_err 'No space left' "a full disk behind standard output" bash -c "yes a dog runs | head -n 100000 | '$T' -t '$V' > /dev/full"
t "--list" bash -c "'$T' --list | grep -q '^clip-bpe'"
COCO=$SHARED/data/coco5k/captions.txt
if [ -f "$COCO" ] && [ -d "$SHARED/weights/all-MiniLM-L6-v2" ] && [ -d "$SHARED/weights/clip" ]; then
	real() { [ "$("$T" -t "$1" "$COCO" | sha256sum | cut -c1-16)" = "$2" ]; }
	t "BERT: 25,000 COCO captions as transformers has them" real "$SHARED/weights/all-MiniLM-L6-v2" 8c90fc76d7c3c724
	t "CLIP: 25,000 COCO captions as transformers has them" real "$SHARED/weights/clip" 3994c94a6f4bcff2
else
	skip "the real vocabularies" "no $SHARED/weights, $SHARED/data/coco5k"
fi
