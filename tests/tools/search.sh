#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
S=$BIN/search
{ $BIN/fetch-coco --synthetic 60 --seed 3 -q -o scenes && $BIN/extract-features --image-encoder classic --text-encoder hash scenes/manifest.jsonl -q -o features.h5 &&
  $BIN/train --model cca --dims 32 features.h5 -q -o cca.h5 && $BIN/extract-features --model cca.h5 features.h5 -q -o all.npz; } > /dev/null 2> .setup || { cat .setup; echo "not ok - search: data to work on"; exit 1; }
M=scenes/manifest.jsonl
first=$(jq -r 'select(.id) | .captions[0].id' $M | head -n 1); image=$(jq -r 'select(.id) | .id' $M | head -n 1); words=$(jq -r 'select(.id) | .captions[0].text' $M | head -n 1)

q() { $S all.npz --json "$@" | jq -e "$FILTER" > /dev/null; }
FILTER=".query.id == \"$first\" and .query.text == $(jq -n --arg w "$words" '$w') and (.results | length) == 5 and .results[0].rank == 1 and (.results[0].path | test(\"scenes/.*jpg\")) and .synthetic"
t "a caption asks for pictures" q --query "$first" -k 5 --manifest $M
FILTER='[.results[].score] == ([.results[].score] | sort | reverse)'
t "the best comes first" q --query "$first" -k 60
FILTER='(.results | length) == 60 and ([.results[] | select(.correct)] | length) == 1 and .rank == ([.results[] | select(.correct)][0].rank)'
t "one picture is right, at the rank that is told" q --query "$first" -k 100
FILTER='([.results[] | select(.correct)] | length) == 5'
t "a picture asks for captions: five are right" q --from image --to text --query "$image" -k 300
FILTER="[.results[].id] | index(\"$image\") == null and length == 59"
t "a picture is not its own neighbour" q --from image --to image --query "$image" -k 60
FILTER='(.queries | length) == 300'
t "all" q --all -k 1
FILTER='(.queries | length) == 4'
t "random" q --random 4 -k 1
t "random: the seed decides" bash -c "[ \"\$($S all.npz --random 4 -k 1)\" = \"\$($S all.npz --random 4 -k 1 -j 1)\" ] && [ \"\$($S all.npz --random 4 -k 1)\" != \"\$($S all.npz --random 4 -k 1 --seed 7)\" ]"
t "words give the same vector as the caption did" bash -c "[ \"\$($S all.npz --query $first -k 5 --manifest $M --json | jq -c '[.results[].id]')\" = \"\$($S all.npz --model cca.h5 --text \"\$(jq -r 'select(.id) | .captions[0].text' $M | head -n 1)\" -k 5 --manifest $M --json | jq -c '[.results[].id]')\" ]"
t "a feature store through its model gives the same answers" bash -c "[ \"\$($S all.npz --query $first -k 5 --json | jq -c .results)\" = \"\$($S features.h5 --model cca.h5 --query $first -k 5 --json | jq -c .results)\" ]"
t "int8 rescored by fp32 is fp32" bash -c "[ \"\$($S all.npz --query $first -k 5)\" = \"\$($S all.npz --query $first -k 5 --precision int8 --rescore 60)\" ]"

expect_err "no text 'nix'" "an unknown id" $S all.npz --query nix
expect_err "nothing is asked" "no question" $S all.npz
expect_err "words need the model" "words without a model" $S all.npz --text 'a circle'
expect_err "has no word" "words that say nothing" $S all.npz --model cca.h5 --text ' '
expect_exit 2 "no collection" $S
head -n 5 $M > part.jsonl
expect_err "knows [0-9]+ of the 60 pictures" "a manifest of something else" $S all.npz --query "$first" --manifest part.jsonl
expect_err "needs pictures" "a sheet without a manifest" $S all.npz --random 1 --sheet x.png
printf '\x93NUMPY\x01\x00' > bad.npy
expect_err "bad.npy" "vectors from a broken file" $S all.npz --vector bad.npy

if command -v gnuplot > /dev/null; then
	t "a sheet" $S all.npz --manifest $M --sheet out/sheet.png
	t "its script and tiles stay" test -s out/sheet.png -a -s out/sheet.gp -a -s out/sheet.tiles.png
	cp out/sheet.png first.png; rm out/sheet.png
	t "anybody can draw it again" gnuplot out/sheet.gp
	t "and gets the same picture" cmp first.png out/sheet.png
	$S all.npz --manifest $M --from image --to image --random 2 --sheet out/own.png > own.txt
	t "pictures asking for pictures: nothing is claimed, no hit, no miss" bash -c "[ -s out/own.png ] && ! grep -qE 'find their|miss|hit|front fs empty' out/own.gp"
	t "nor in JSON" bash -c "$S all.npz --manifest $M --from image --to image --random 2 --json | jq -e '[.. | .correct? // empty] == []'"
	t "the picture that asks is drawn" bash -c "[ $(wc -c < out/own.tiles.png) -gt 1000 ] && $S all.npz --manifest $M --random 2 --sheet out/words.png > words.txt && grep -q 'find their' out/words.gp"
	jq -c 'if (.captions | type) == "array" then .captions[].text = "the same words" else . end' $M > $(dirname $M)/same.jsonl
	$S all.npz --manifest $(dirname $M)/same.jsonl --random 3 --sheet out/same.png > same.txt
	t "a picture of the very caption that was asked is no miss" bash -c "grep -q 'same caption' out/same.gp && ! grep -q 'miss' out/same.gp"
	if command -v fc-list > /dev/null && [ -z "$(fc-list :charset=13000)" ]; then      # a hieroglyph
		jq -c 'if (.captions | type) == "array" then .captions[].text = "\ud80c\udc00 a star" else . end' $M > $(dirname $M)/signs.jsonl
		t "a character that no font has: said, and a small box stands for it" bash -c "$S all.npz --manifest $(dirname $M)/signs.jsonl --random 1 --sheet out/signs.png 2>&1 | grep -q 'U+13000' && grep -q ' a star' out/signs.gp && ! grep -q \$'\xf0\x93\x80\x80' out/signs.gp"
	fi
	expect_err "exists: --force" "a sheet is not overwritten" $S all.npz --manifest $M --sheet out/sheet.png
else
	skip "a sheet" "gnuplot is not installed"
fi
mkdir -p empty
expect_err "gnuplot is not installed.*apt-get install gnuplot-nox" "without gnuplot: what to do" "$(command -v env)" PATH="$PWD/empty" $S all.npz --manifest $M --sheet later.png
t "without gnuplot: the script is there for later" test -s later.gp

# several questions at once, in their order; a comma is part of a text
two() { [ "$($S all.npz --model cca.h5 --text 'a red circle, small' --text 'a blue square' -k 1 --json | jq -r '[.queries[].query.text] | join("|")')" = 'a red circle, small|a blue square' ]; }
t "two texts: both are answered, in their order" two
ids=$(jq -r 'select(.id) | .captions[0].id' $M | sed -n '1,2p' | tr '\n' ' ')
several() { [ "$($S "$@" -k 1 --json | jq -r '[.queries[].query.id] | join(" ")')" = "${ids% }" ]; }
t "two ids behind --query" several all.npz --query $ids
t "the same with the collection behind them" several --query $ids all.npz
t "the same with a comma" several all.npz --query "$(echo ${ids% } | tr ' ' ',')"
FILTER='.queries[0].results == .results'
t "one query: the list of queries has it too" q --query "$first" -k 3
expect_exit 2 "two collections" $S all.npz all.npz
heart() { $S all.npz --model cca.h5 --text "$(printf '\342\235\244\357\270\217')" > .o 2> .e; [ $? = 1 ] && grep -q 'has no word' .e; }
t "a variation selector is no word" heart
expect_err "would change nothing" "weights for an encoder without" $S all.npz --model cca.h5 --text circle --text-weights nowhere

# words for a published text tower: its weights by path, by hash in the caches, others refused
G=$ROOT/tests/golden/sentence
mkdir -p tower hub/models--a--b/snapshots/r hub/models--a--b/blobs
cp "$G"/{config.json,model.safetensors,vocab.txt,tokenizer_config.json} tower
echo '{"pooling_mode":["mean","max"]}' > .p; mkdir -p tower/1_Pooling; cp .p tower/1_Pooling/config.json
{ $BIN/extract-features --image-encoder classic --text-encoder bert --text-weights tower $M -q -o tf.h5 && $BIN/train --model cca --dims 8 --regularization 0.1 tf.h5 -q -o tm.h5 && $BIN/extract-features --model tm.h5 tf.h5 -q -o te.npz; } > /dev/null 2> .setup || cat .setup
export ITR_CACHE=$PWD/nocache HF_HUB_CACHE=$PWD/nohub
w() { $S te.npz --model tm.h5 --text 'a red dog' -k 60 --json "$@"; }
expect_err "are neither in '.*nocache' nor in '.*nohub'.*--text-weights PATH" "weights that are nowhere: what to do" w
w --text-weights tower > by_path.json
t "weights by path" test -s by_path.json
own() { c=$(jq -r 'select(.id) | .captions[0] | .id + "\t" + .text' $M | head -n 1); [ "$($S te.npz --query "${c%%	*}" -k 60 --json | jq -c '[.results[].id]')" = "$($S te.npz --model tm.h5 --text "${c#*	}" --text-weights tower -k 60 --json | jq -c '[.results[].id]')" ]; }
t "a caption's words find what the caption finds" own
hash=$(sha256sum tower/model.safetensors | cut -d ' ' -f 1); cp tower/model.safetensors hub/models--a--b/blobs/$hash
ln -s ../../blobs/$hash hub/models--a--b/snapshots/r/model.safetensors; cp -r tower/{config.json,vocab.txt,tokenizer_config.json,1_Pooling} hub/models--a--b/snapshots/r
same() { cmp <(jq -c .results by_path.json) <("$@" | jq -c .results); }
by_hub() { HF_HUB_CACHE=$PWD/hub w; }
by_cache() { mkdir -p cache; cp -r tower cache/; ITR_CACHE=$PWD/cache w; }
t "weights by hash in Hugging Face's cache" same by_hub
t "weights by hash in the own cache" same by_cache
cp -r tower other; printf 'x' | dd of=other/model.safetensors bs=1 seek=$(($(stat -c %s other/model.safetensors) - 3)) conv=notrunc 2> /dev/null
expect_err "other weights .SHA-256" "other weights" w --text-weights other
cp -r tower sized; echo '{"do_lower_case":true,"model_max_length":7}' > sized/tokenizer_config.json
expect_err "reads texts otherwise" "the same weights, read otherwise" w --text-weights sized
