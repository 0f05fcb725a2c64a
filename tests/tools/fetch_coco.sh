#!/usr/bin/env bash
# fetch-coco: the README's commands, the same bytes again, what is refused, what is counted.
. "$(dirname "$0")/../lib.sh"
F=$BIN/fetch-coco

t "scenes are drawn" "$F" --synthetic 60 --seed 7 -o scenes --size 64 -j 2 -q
t "the folder holds pictures, annotations, queries and the manifest" sh -c '[ $(ls scenes/images | wc -l) = 60 ] && [ -s scenes/annotations/captions_scenes.json ] &&
	[ -s scenes/annotations/instances_scenes.json ] && [ -s scenes/composed.jsonl ] && [ $(wc -l < scenes/manifest.jsonl) = 61 ]'
t "every record is marked synthetic" sh -c '[ $(grep -c "\"synthetic\":true" scenes/manifest.jsonl) = 61 ]'
t "split 60/20/20" sh -c '[ $(grep -c "\"split\":\"test\"" scenes/manifest.jsonl) = 12 ] && [ $(grep -c "\"split\":\"val\"" scenes/manifest.jsonl) = 12 ]'
t "the same bytes on one thread" sh -c '"$0" --synthetic 60 --seed 7 -o one --size 64 -j 1 -q && (cd scenes && sha256sum images/* annotations/* composed.jsonl) > a &&
	(cd one && sha256sum images/* annotations/* composed.jsonl) > b && cmp a b && sed "1s/\"root\":\"one\"/\"root\":\"scenes\"/" one/manifest.jsonl | cmp - scenes/manifest.jsonl' "$F"
t "the same command again changes nothing" sh -c 'cp scenes/manifest.jsonl before && "$0" --synthetic 60 --seed 7 -o scenes --size 64 -q && cmp before scenes/manifest.jsonl' "$F"
expect_err "holds 'synthetic n=60 seed=7" "another data set in the same folder is refused" "$F" --synthetic 60 --seed 8 -o scenes --size 64
t "and replaced with --force" sh -c '"$0" --synthetic 30 --seed 8 -o one --size 64 -f -q && [ $(ls one/images | wc -l) = 30 ]' "$F"
t "composed queries name pictures of one split" sh -c 'jq -e -n --slurpfile m scenes/manifest.jsonl "[\$m[] | select(.id) | {(.id): .split}] | add as \$s | [inputs] | length > 0 and
	all(.[]; . as \$q | (\$q.subset | length) == 6 and (\$q.subset | index(\$q.target)) and all(\$q.subset[]; \$s[.] == \$q.split) and \$q.reference != \$q.target)" scenes/composed.jsonl'
t "boxes lie inside the pictures" sh -c 'jq -e "all(.annotations[]; .bbox[0] >= 0 and .bbox[1] >= 0 and .bbox[0] + .bbox[2] <= 64 and .bbox[1] + .bbox[3] <= 64 and .area > 0)" scenes/annotations/instances_scenes.json'
t "the manifest goes down a pipe, readable from here" sh -c '"$0" --synthetic 60 --seed 7 -o scenes --size 64 2>/dev/null | jq -r "select(.id) | .image" | head -5 | xargs ls' "$F"

t "the scenes are read back as COCO, same captions, labels and split, still synthetic" sh -c '"$0" --from coco scenes --seed 7 -o back -q &&
	jq -c "select(.id) | [.id, .split, .captions, .labels, .sha256, .synthetic]" scenes/manifest.jsonl > a && jq -c "select(.id) | [.id, .split, .captions, .labels, .sha256, .synthetic]" back/manifest.jsonl > b && cmp a b' "$F"
t "--limit keeps so many, the same ones each time" sh -c '"$0" --from coco scenes --limit 10 -o l1 -q && "$0" --from coco scenes --limit 10 -o l2 -q && [ $(grep -c "\"id\":\"[0-9]*\",\"image\"" l1/manifest.jsonl) = 10 ] &&
	cut -d, -f1 l1/manifest.jsonl | tail -10 > a && cut -d, -f1 l2/manifest.jsonl | tail -10 > b && cmp a b' "$F"
t "--split-by caption warns that it leaks" sh -c '"$0" --from coco scenes --split-by caption -o leaky 2>&1 >/dev/null | grep -q leaky' "$F"

expect_err "annotations_trainval2017.zip" "without captions: the official command" "$F" --subset val2017 --annotations-dir nowhere --images-dir nowhere -o coco
expect_err "annotations_trainval2017.zip" "the same for --from coco" "$F" --from coco nowhere -o coco
t "--fallback synthetic goes on, loudly and marked" sh -c '"$0" --from coco nowhere -o coco --fallback synthetic --limit 8 --size 32 2>err >/dev/null && grep -q "USING SYNTHETIC" err && [ $(grep -c "\"synthetic\":true" coco/manifest.jsonl) = 9 ]' "$F"

mkdir -p photos/cats; cp scenes/images/000000000001.jpg photos/cats/tom.jpg; cp "$ROOT/tests/data/images/cmyk.jpg" "$ROOT/tests/data/images/palette_trns.png" "$ROOT/tests/data/images/grey16.png" photos/
for n in cats/tom cmyk palette_trns grey16; do echo "A picture of $n." > photos/$n.txt; done
t "a folder of captioned pictures" sh -c '"$0" --from sidecar photos -o p1 -q && [ $(wc -l < p1/manifest.jsonl) = 5 ] && grep -q "\"labels\":\[\"cats\"\]" p1/manifest.jsonl && grep -q "\.\./photos/cats/tom\.jpg" p1/manifest.jsonl' "$F"
t "--copy brings the pictures along" sh -c '"$0" --from sidecar photos --copy -o p2 -q && cmp p2/images/cats/tom.jpg photos/cats/tom.jpg' "$F"
head -c 300 photos/cats/tom.jpg > photos/half.jpg; echo "Half." > photos/half.txt; cp photos/cmyk.jpg photos/alone.jpg
expect_err "1 pictures are missing or damaged" "a damaged picture makes the exit 1" "$F" --from sidecar photos -o p3
t "the rest is in the manifest, the damage is listed" sh -c '[ $(wc -l < p3/manifest.jsonl) = 5 ] && jq -e ".[\"picture damaged\"].count == 1 and .[\"picture without a caption (left out)\"].count == 1" p3/problems.json'
t "--max-failed 1 tolerates it" "$F" --from sidecar photos -o p3 --max-failed 1 -q

# whole pictures with bytes behind their end, and cut ones, to readers that decode (sidecar) and that do not (flickr)
mkdir -p phone/Images && cp "$ROOT"/tests/data/images/whole_*.* phone/Images/
(cd phone && echo image,caption > captions.txt && for p in Images/*; do echo "${p#Images/},a picture with bytes behind its end" >> captions.txt; echo "a picture" > "${p%.*}.txt"; done)
for r in flickr sidecar; do
	at=phone; [ $r = flickr ] || at=phone/Images
	t "$r: bytes behind the end of a picture are fine" "$F" --from $r $at -o phone_$r -q
done
head -c 400 "$ROOT/tests/data/images/whole_tail_mp4.jpg" > phone/Images/whole_tail_mp4.jpg; head -c 100 "$ROOT/tests/data/images/rgb.png" > phone/Images/whole_gama.png
expect_err "2 pictures are missing or damaged" "flickr: cut pictures are found all the same" "$F" --from flickr phone -o phone_cut
t "and the report says that they are cut off" grep -q "cut off" phone_cut/problems.json

expect_err "no captioned pictures" "an empty folder is a failure" sh -c 'mkdir -p empty && "$0" --from sidecar empty -o p4' "$F"

# captions that nobody wants: said, counted, and the rest of the file is not lost
mkdir -p odd && { printf '{"images":[{"id":1,"file_name":"000000000001.jpg"},{"id":2,"file_name":"000000000002.jpg"},{"id":2,"file_name":"000000000003.jpg"},{"id":9007199254740993,"file_name":"000000000004.jpg"},'
	printf '{"id":5,"file_name":"00000000000\351.jpg"}],"annotations":[{"id":1,"image_id":1,"caption":"caf\351 noir"},{"id":2,"image_id":2,"caption":"%010000d"},{"id":2,"image_id":2,"caption":"again"},' 7
	printf '{"id":3,"image_id":77,"caption":"lost"},{"id":9007199254740995,"image_id":9007199254740993,"caption":"big"},{"id":6,"image_id":5,"caption":"unnamed"}]}'; } > odd/captions_odd.json
t "odd captions do not cost the others" "$F" --from coco --annotations-dir odd --images-dir scenes/images --subset odd -o o1 -q
t "and each kind is counted" jq -e '[.["image id that occurs twice (the first counts)", "caption id that occurs twice (the first counts)", "caption of an unknown image (left out)", "very long caption (kept)",
	"id beyond 2^53 (kept digit by digit)", "caption with invalid UTF-8 (U+FFFD in its place)", "image with invalid UTF-8 in its file_name (left out)"].count] == [1, 1, 2, 1, 2, 1, 1]' o1/problems.json
t "ids keep every digit, a wrong byte becomes U+FFFD" sh -c 'grep -q "\"id\":\"9007199254740993\"" o1/manifest.jsonl && grep -q "\"id\":\"9007199254740995\"" o1/manifest.jsonl && jq -es "any(.[]; .id == \"1\" and .captions[0].text == \"caf\ufffd noir\")" o1/manifest.jsonl'

# all left out: the reasons are said, listed, and the verdict is true
mkdir -p gone/annotations && echo '{"images":[{"id":1,"file_name":"/elsewhere/1.jpg"}],"annotations":[{"id":1,"image_id":1,"caption":"x"}]}' > gone/annotations/captions_v.json
expect_err "no picture is left: image with a file_name that leaves its folder \(left out\), 1; caption of an unknown image" "a data set of which nothing is left says why" "$F" --from coco gone -o g1
t "and lists it" jq -e '.["image with a file_name that leaves its folder (left out)"].items == ["1: /elsewhere/1.jpg"]' g1/problems.json
t "no manifest is written" sh -c '[ ! -e g1/manifest.jsonl ]'
mkdir -p fl/Images && cp scenes/images/00000000000[1-3].jpg fl/Images && printf 'image|caption\n000000000001.jpg|A, b\n000000000002.webp|C\n' > fl/results.csv
t "a list of any separator; a picture of an unread kind is named" sh -c '"$0" --from flickr fl -o f1 --max-failed 1 2>err >/dev/null && grep -q "WebP is not read yet" err && grep -q "\"text\":\"A, b\"" f1/manifest.jsonl' "$F"
t "--from coco FILE reads a file of any name" sh -c 'cp scenes/annotations/captions_scenes.json mine.json && "$0" --from coco mine.json --images-dir scenes/images -o c1 -q && [ $(wc -l < c1/manifest.jsonl) = 61 ]' "$F"

# the same picture under ten names: said in every reader, kept together on demand
mkdir -p same/annotations && for i in 0 1 2 3 4 5 6 7 8 9; do cp scenes/images/000000000001.jpg same/a$i.jpg; echo "scene $i" > same/a$i.txt; done
for i in 11 21 31 41 51; do cp scenes/images/0000000000$i.jpg same/b$i.jpg; echo "scene $i" > same/b$i.txt; done
(cd same && printf 'image,caption\n' && for f in *.jpg; do echo "$f,\"scene, $f\""; done) > same/captions.txt
(cd same && ls *.jpg | jq -R . | jq -sc '{images: [to_entries[] | {filename: .value, sentences: [{raw: .value, sentid: .key}]}]}') > same/karpathy.json
(cd same && ls *.jpg | jq -R . | jq -sc '{images: [to_entries[] | {id: .key, file_name: .value}], annotations: [to_entries[] | {id: .key, image_id: .key, caption: .value}]}') > same/annotations/captions_x.json
for r in sidecar flickr coco "karpathy same/karpathy.json"; do
	n=${r%% *}; src=${r#* }; [ "$n" != "$src" ] || src=same
	t "$n: equal pictures in different parts are reported" sh -c '"$0" --from "$1" "$2" --near-duplicates 0 -o eq_$1 >/dev/null 2>err && grep -q "near-duplicate pictures in different parts" err &&
		jq -es "length > 0 and all(.[]; .distance == 0 and .a_part != .b_part)" eq_$1/near_duplicates.jsonl && jq -e ".[\"near-duplicate pictures in different parts\"].count > 0" eq_$1/problems.json' "$F" "$n" "$src"
	t "$n: --split-by near keeps them in one part" sh -c '"$0" --from "$1" "$2" --split-by near --split-sizes 0.9/0.1/0 -o nr_$1 -q && [ ! -e nr_$1/near_duplicates.jsonl ] &&
		[ $(grep -E "\"image\":\"[^\"]*/a[0-9].jpg" nr_$1/manifest.jsonl | grep -o "\"split\":\"[a-z]*\"" | sort -u | wc -l) = 1 ] && [ $(grep -o "\"split\":\"[a-z]*\"" nr_$1/manifest.jsonl | sort -u | wc -l) -gt 1 ]' "$F" "$n" "$src"
done
t "--near-duplicates -1 does not look" sh -c '"$0" --from sidecar same --near-duplicates -1 -o eq_no -q && [ ! -e eq_no/near_duplicates.jsonl ]' "$F"
mkdir -p lab/x lab/y lab/z && for d in x y z; do for i in 1 2 3 4; do cp scenes/images/00000000000$i.jpg lab/$d/$d$i.jpg; echo "$d" > lab/$d/$d$i.txt; done; done
t "--split-by label keeps pictures that share one together" sh -c '"$0" --from sidecar lab --split-by label --split-sizes 0.4/0.3/0.3 --near-duplicates -1 -o lb -q &&
	jq -es "[.[] | select(.id)] | group_by(.labels[0]) | length == 3 and all(.[]; map(.split) | unique | length == 1)" lb/manifest.jsonl && jq -es "[.[] | .split // empty] | unique | length == 3" lb/manifest.jsonl' "$F"
{ echo id,group; for d in x y z; do for i in 1 2 3 4; do echo "$d/$d$i,g$((i % 2))"; done; done; } > groups.csv
t "--split-by group:FILE" sh -c '"$0" --from sidecar lab --split-by group:groups.csv --split-sizes 0.5/0/0.5 --near-duplicates -1 -o gr -q &&
	jq -es "[.[] | select(.id)] | group_by(.id[-1:] | tonumber % 2) | length == 2 and all(.[]; map(.split) | unique | length == 1)" gr/manifest.jsonl' "$F"
echo x/x1 > bad.csv
expect_err "record 1 is not 'id,group'" "a file of groups of another form" "$F" --from sidecar lab --split-by group:bad.csv -o gr2
echo "q,r" > bad.csv
expect_err "names none of the ids" "a file of groups about others" "$F" --from sidecar lab --split-by group:bad.csv -o gr2
expect_err "leave nothing for train" "labels that join everything" "$F" --from coco scenes --split-by label -o all1
expect_err "no labels to split by" "labels that are not there" "$F" --from flickr same --split-by label -o all2
expect_exit 2 "an unknown rule" "$F" --from sidecar lab --split-by labels -o x
mkdir -p far/one far/two && cp scenes/images/000000000001.jpg far/one/1.jpg && cp scenes/images/000000000002.jpg far/two/1.jpg && printf 'image,caption\none/1.jpg,A\ntwo/1.jpg,B\n' > far/captions.txt
t "--copy never lays two pictures over each other" sh -c '"$0" --from flickr far/captions.txt --copy -o fc -q && jq -r "select(.id) | .image" fc/manifest.jsonl | sort -u | wc -l | grep -qx 2 &&
	cmp fc/$(jq -r "select(.id == \"two/1\") | .image" fc/manifest.jsonl) far/two/1.jpg && cmp fc/$(jq -r "select(.id == \"one/1\") | .image" fc/manifest.jsonl) far/one/1.jpg' "$F"

expect_exit 2 "--size out of range" "$F" --synthetic 5 --size 8 -o x
expect_exit 2 "split sizes that do not sum to 1" "$F" --synthetic 5 --split-sizes 0.6/0.2/0.3 -o x
expect_exit 2 "two sources" "$F" --synthetic 5 --from sidecar photos -o x
expect_exit 2 "an unknown option" "$F" --synthetics 5 -o x
expect_err "did you mean 'sidecar'" "an unknown reader names the nearest" "$F" --from sidecars photos -o x
expect_exit 1 "a full standard output" sh -c '"$0" --synthetic 4 --size 32 -o full > /dev/full' "$F"

"$F" --synthetic 3000 --seed 1 -o killed -q & pid=$!
sleep 0.4; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
t "after kill -9 no picture is half there" sh -c '[ ! -e killed/manifest.jsonl ] && for f in killed/images/*.jpg; do [ ! -e "$f" ] || tail -c 2 "$f" | od -An -tx1 | grep -q "ff d9" || exit 1; done'

if [ -d "$SHARED/data/stamps" ]; then
	t "the stamps: 538 pictures, none damaged" sh -c '"$0" --from sidecar "$1" -o stamps --json | jq -e ".images == 538 and .failed == 0"' "$F" "$SHARED/data/stamps"
else
	skip "the stamps" "no $SHARED/data/stamps"
fi
