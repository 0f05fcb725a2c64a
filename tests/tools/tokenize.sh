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

# tokenizer.json alone, beside a vocab.txt, and what is not built in it; tokens added by the files beside
A=$ROOT/tests/golden/added
mkdir -p only both folder; cp "$A/bert.json" only/tokenizer.json; cp "$A/bert.json" both/tokenizer.json; cp "$ROOT/tests/golden/tokenizers_vocab.txt" both/vocab.txt
echo 'a snowcat and the cat' > t.txt
t "tokenizer.json alone is enough" bash -c "[ \"\$($BIN/tokenize -t only t.txt)\" = \"\$($BIN/tokenize -t wordpiece:$A/bert.json t.txt)\" ]"
t "a vocab.txt that agrees may lie beside it" bash -c "[ \"\$($BIN/tokenize -t only t.txt)\" = \"\$($BIN/tokenize -t both t.txt)\" ]"
sed -i '20s/.*/changed/' both/vocab.txt
expect_err "beside it give id 19 to different tokens" "one that differs: refused" $BIN/tokenize -t both t.txt
no() { jq -c "$3" "$A/$2" > folder/tokenizer.json; expect_err "$4" "tokenizer.json: $1" $BIN/tokenize -t folder t.txt; }
no "another model" bert.json '.model.type = "Unigram"' 'type Unigram'
no "another normalizer" bert.json '.normalizer = {"type":"Precompiled"}' 'normalizer is Precompiled'
no "no normalizer" bert.json '.normalizer = null' 'normalizer is none'
no "another pre_tokenizer" bert.json '.pre_tokenizer = {"type":"Whitespace"}' 'pre_tokenizer is Whitespace'
no "another post_processor" bert.json '.post_processor = {"type":"ByteLevel"}' 'post_processor is ByteLevel'
no "another template" bert.json '.post_processor.single |= .[1:]' 'no other template'
no "a special token that is not there" bert.json '.post_processor.special_tokens["[CLS]"].ids = [77]' 'with id 77'
no "truncation on the left" bert.json '.truncation = {"direction":"Left","max_length":5,"stride":0,"strategy":"LongestFirst"}' 'Left end'
no "ids with a gap" bert.json '.model.vocab["[PAD]"] = 100000' 'PAD.*has 100000'
no "an added token whose id leaves a gap" bert.json '.added_tokens[-1].id += 1' 'gaps'
no "an unknown word that is not there" bert.json '.model.unk_token = "<nix>"' "<nix>"
no "BPE that is not CLIP's" clip.json '.pre_tokenizer = {"type":"ByteLevel","add_prefix_space":false}' "pre_tokenizer is ByteLevel"
no "BPE with another normalizer" clip.json '.normalizer = {"type":"NFC"}' "normalizer is NFC"
no "BPE with byte_fallback" clip.json '.model.byte_fallback = true' "byte_fallback"
no "BPE with other numbers" clip.json '.model.vocab |= with_entries(if .key == "a" then .value = 1 elif .key == "\"" then .value = 64 else . end)' "numbering"
rm -rf folder; mkdir folder; cp only/tokenizer.json folder; echo '{"tokenizer_class":"BertTokenizer","do_lower_case":false}' > folder/tokenizer_config.json
expect_err "differ about lower case" "a config that contradicts tokenizer.json" $BIN/tokenize -t folder t.txt
echo '{"tokenizer_class":"PreTrainedTokenizerFast","do_lower_case":false}' > folder/tokenizer_config.json
t "the general class follows tokenizer.json" bash -c "[ \"\$($BIN/tokenize -t only t.txt)\" = \"\$($BIN/tokenize -t folder t.txt)\" ]"
rm -rf folder; mkdir folder; printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' a snow '##cat' cat and the > folder/vocab.txt
ids() { [ "$($BIN/tokenize -t folder t.txt)" = "$1" ] || { $BIN/tokenize -t folder t.txt; return 1; }; }
t "without added tokens: pieces" ids '[2,4,5,6,8,9,7,3]'
echo '{"snowcat":10}' > folder/added_tokens.json
t "added_tokens.json" ids '[2,4,10,8,9,7,3]'
echo '{"do_lower_case":true,"added_tokens_decoder":{"10":{"content":"and","special":false},"11":{"content":"the","lstrip":true,"rstrip":true}}}' > folder/tokenizer_config.json
expect_err "'and' has id 10, the vocabulary gives it 8" "added_tokens_decoder: ids that contradict the vocabulary" $BIN/tokenize -t folder t.txt
echo '{"do_lower_case":true,"added_tokens_decoder":{"10":{"content":"snowcat and"}}}' > folder/tokenizer_config.json
t "added_tokens_decoder wins over added_tokens.json" ids '[2,4,10,9,7,3]'
echo '{"cls_token":"<s>"}' > folder/tokenizer_config.json
expect_err "call the cls_token '<s>'" "special tokens of other names" $BIN/tokenize -t folder t.txt
printf 'men\342\200\231s room &amp;amp; \357\274\241\357\254\201\ncaf\303\203\302\251\n' > c.txt
t "open_clip: quotes, width, ligatures and entities as ftfy" bash -c "[ \"\$($BIN/tokenize -q -t clip-bpe:$ROOT/tests/golden/tokenizers_merges.txt --clip-clean open_clip c.txt | head -n 1)\" = \"\$(echo \"men's room & afi\" | $BIN/tokenize -q -t clip-bpe:$ROOT/tests/golden/tokenizers_merges.txt --clip-clean open_clip)\" ]"
$BIN/tokenize -t clip-bpe:$ROOT/tests/golden/tokenizers_merges.txt --clip-clean open_clip c.txt > /dev/null 2> warned
t "open_clip: text that ftfy would repair is told" grep -q '1 captions look as if' warned
