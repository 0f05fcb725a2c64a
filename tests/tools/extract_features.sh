#!/usr/bin/env bash
# extract-features: the store's bytes depend on the data alone - not on threads, batches, shards, kill -9 or where the manifest comes from - and bad input is said.
. "$(dirname "$0")/../lib.sh"
X="$BIN/extract-features --no-track -q"
ENC="--image-encoder classic --text-encoder hash"
IMAGES=$ROOT/tests/data/images
splits=(train train train val test)
colours=(red green blue yellow black)
# manifest N: N records over the sample pictures, two captions each
manifest() {
	local files=(rgb.png rgba.png palette.png grey.jpg cmyk.jpg ycc420.jpg la.png grey16.png) i
	for ((i = 0; i < $1; i++)); do
		printf '{"id":"i%d","image":"%s","split":"%s","captions":[{"id":"c%da","text":"A %s thing number %d."},{"id":"c%db","text":"Caf\\u00e9 %d, %s"}],"labels":["%s","all"],"synthetic":false}\n' \
			"$i" "${files[i % 8]}" "${splits[i % 5]}" "$i" "${colours[i % 5]}" "$i" "$i" "$i" "${colours[(i * 7) % 5]}" "l$((i % 3))"
	done
}
manifest 60 > m.jsonl
run() { $X $ENC --root "$IMAGES" --no-provenance "$@"; }

t "manifest to feature store" run m.jsonl -o a.h5
t "the parts are gone afterwards" test ! -e a.h5.parts
expect_err 'exists' "an existing output is kept without --force" run m.jsonl -o a.h5
same() { local out=$1; shift; run "$@" -o "$out" && cmp a.h5 "$out"; }
t "threads 1: same bytes" same t1.h5 -j 1 m.jsonl
t "threads 3, batches of 7, parts of 11: same bytes" same t2.h5 -j 3 --batch-size 7 --part-rows 11 m.jsonl
t "manifest on standard input: same bytes" eval 'run - -o stdin.h5 < m.jsonl && cmp a.h5 stdin.h5'
shards() { for i in 0 1 2; do run m.jsonl --shard $i/3 -o "s$i.h5" || return 1; done; $X --no-provenance --merge s0.h5 s1.h5 s2.h5 -o merged.h5 && cmp a.h5 merged.h5; }
t "three shards, merged: same bytes" shards
expect_err "is in 's0.h5' and in 's0.h5'" "a shard twice is refused" $X --merge s0.h5 s0.h5 -o twice.h5
run --normalize m.jsonl -o n.h5
expect_err 'prepared differently' "stores of different scale are not merged" $X --merge s0.h5 n.h5 -o mixed.h5
run --fast-decode m.jsonl -o fast.h5
expect_err 'prepared differently' "--fast-decode is part of the stored preprocessing" $X --merge s0.h5 fast.h5 -o mixed.h5
expect_err 'there is no image encoder' "--fast-decode without an image encoder" $X --text-encoder hash --fast-decode m.jsonl -o x.h5
expect_exit 2 "--shard 3/3" run m.jsonl --shard 3/3 -o x.h5

# --- patches and tokens
t "patches and tokens" run --patches --tokens --max-tokens 4 m.jsonl -o pt.h5
shards_pt() { for i in 0 1; do run --patches --tokens --max-tokens 4 m.jsonl --shard $i/2 -o "p$i.h5" || return 1; done; $X --no-provenance --merge p0.h5 p1.h5 -o pm.h5 && cmp pt.h5 pm.h5; }
t "patches and tokens survive sharding and merging" shards_pt
expect_exit 1 "--patches without an image encoder" $X --text-encoder hash --patches m.jsonl -o x.h5
t "text alone" $X --text-encoder hash m.jsonl -o text.h5
t "images alone" $X --image-encoder classic --root "$IMAGES" m.jsonl -o img.h5
t "--verify of one side" eval '$X --verify img.h5 | grep -q "captions  no vectors"'

# --- verify
t "--verify finds nothing wrong" $X --verify a.h5
t "--verify --json" eval '$X --verify a.h5 --json | grep -q "\"ok\": true"'
manifest 1 > one.jsonl; sed 's/i0/i1/; s/c0/c1/g' one.jsonl | cat one.jsonl - > dup.jsonl
run dup.jsonl -o const.h5
expect_exit 1 "--verify: constant vectors are a failure" $X --verify const.h5

# --- killed in the middle
manifest 3000 > big.jsonl
run big.jsonl -o whole.h5 --part-rows 100
killed() {      # kill -9 once two parts are there; the third and later ones are not
	setsid "$BIN/extract-features" --no-track -q $ENC --root "$IMAGES" --no-provenance big.jsonl -o k.h5 --part-rows 100 -j 1 & local pid=$!
	await $pid [ -e k.h5.parts/00001.h5 ]
	kill -9 $pid; wait $pid 2>/dev/null
	[ ! -e k.h5 ] && [ -e k.h5.parts/00001.h5 ] && [ ! -e k.h5.parts/00029.h5 ]
}
t "kill -9 leaves finished parts and no output" killed
resumed() { "$BIN/extract-features" --no-track $ENC --root "$IMAGES" --no-provenance big.jsonl -o k.h5 --part-rows 100 2> err && grep -q 'resuming: [0-9]* of 30 parts are there' err && cmp k.h5 whole.h5; }
t "the same command resumes; same bytes as uninterrupted" resumed
interrupted() {
	"$BIN/extract-features" --no-track $ENC --root "$IMAGES" --no-provenance big.jsonl -o c.h5 --part-rows 100 -j 1 2> err & local pid=$!
	await $pid [ -e c.h5.parts/00001.h5 ]
	kill -TERM $pid; wait $pid; local code=$?
	[ $code = 130 ] || [ $code = 143 ] && grep -q 'the same command resumes' err && [ ! -e c.h5 ] && [ -z "$(find c.h5.parts -name '.*h5*')" ]
}
t "a signal: finished parts stay, no temporaries, the message says how to go on" interrupted
t "and it goes on" eval 'run big.jsonl -o c.h5 --part-rows 100 && cmp c.h5 whole.h5'
other() { mkdir -p o.h5.parts && cp a.h5 o.h5.parts/00000.h5 && echo junk > o.h5.parts/00001.h5 && echo old > o.h5.parts/.00001.h5.4194305.abcdef && echo old > .o.h5.4194305.abcdef && echo other > .oo.h5.4194305.abcdef && run m.jsonl -o o.h5 --part-rows 30 && cmp o.h5 a.h5 && [ ! -e o.h5.parts ] && [ ! -e .o.h5.4194305.abcdef ] && [ -e .oo.h5.4194305.abcdef ]; }
t "parts that do not belong (another file, junk, temporaries of the dead) are made again" other
$X $ENC --root "$IMAGES" big.jsonl -o q.h5 --part-rows 100 -j 1 & pid=$!
await $pid [ -e q.h5.parts ]
expect_err 'another extract-features is writing' "two at once on one output" run big.jsonl -o q.h5 --part-rows 100
kill -9 $pid; wait $pid 2> /dev/null

# --- no room: 100,000 captions of 4,096 half-float tokens are 0.6 TB, refused before anything is written
python3 -c 'import json; print(json.dumps({"id":"a","image":"rgb.png","captions":[{"id":str(i),"text":"x"} for i in range(100000)],"synthetic":False}))' > huge.jsonl
if [ "$(df --output=avail -B1G . | tail -n 1)" -lt 1100 ]; then
	expect_err 'the disk has .* --tokens' "a store that the disk cannot hold is refused" run --tokens --max-tokens 4096 huge.jsonl -o huge.h5
	t "and nothing was begun" test ! -e huge.h5 -a ! -e huge.h5.parts
else skip "a store that the disk cannot hold is refused" "this disk holds it"; fi

# --- bad pictures
mkdir -p pics && cp "$IMAGES"/rgb.png "$IMAGES"/grey.jpg pics/ && head -c $(($(stat -c %s "$IMAGES/ycc420.jpg") / 2)) "$IMAGES/ycc420.jpg" > pics/cut.jpg && echo hello > pics/text.png
line() { printf '{"id":"%s","image":"%s","captions":[{"id":"%s-c","text":"%s picture"}],"synthetic":false}\n' "$1" "$2" "$1" "$1"; }
{ line good1 rgb.png; line cut cut.jpg; line text text.png; line gone gone.jpg; line good2 grey.jpg; } > pics/m.jsonl
bad() { "$BIN/extract-features" --no-track $ENC pics/m.jsonl -o bad.h5 "$@" 2> err; }
expect_err "3 of 5 images failed.*The first: image .*--max-failed 3" "bad pictures: exit 1, counted, one named even with -q, and what to do" "$BIN/extract-features" --no-track -q $ENC pics/m.jsonl -o bad.h5
t "each bad picture is named" eval 'bad; grep -q "image .cut.: .*cut.jpg" err && grep -q "image .text.: " err && grep -q "image .gone.: .*No such file" err && [ ! -e bad.h5 ]'
t "--max-failed 3 leaves them out" eval 'bad --max-failed 3 && grep -q "bad.h5.: 2 images, 2 captions" err'
t "--verify of what is left" $X --verify bad.h5
repaired() { bad -f; cp pics/rgb.png pics/cut.jpg; cp pics/rgb.png pics/text.png; cp pics/rgb.png pics/gone.jpg; bad -f && grep -q "5 images" err && ! grep -q resuming err; }
t "a repaired picture makes its part new" repaired
{ line a gone1.jpg; line b gone2.jpg; } > pics/none.jsonl
for o in "--precision int8" "--weights ." "--image-weights ." "--preset clip" "--vocabulary v.txt"; do
	expect_err "$(echo "$o" | cut -d' ' -f1) would change nothing" "an option that means nothing is said: $o" $X $ENC pics/none.jsonl $o -o nothing.h5
done
expect_err 'none of 2 pictures could be used' "nothing processed is a failure whatever --max-failed says" $X $ENC pics/none.jsonl -o none.h5 --max-failed 9
t "which leaves nothing behind" test ! -e none.h5 -a ! -e none.h5.parts

# --- embeddings (the model's own tests are train's)
expect_err 'give --model' "sizes that differ need a model" $X a.h5 -o e.npz
expect_err 'No such file' "a model that is not there" $X a.h5 --model nowhere.h5 -o e.npz
expect_err 'itr-model' "a store is not a model" $X a.h5 --model a.h5 -o e.npz
expect_exit 2 "an unknown split" $X a.h5 --split tset -o e.npz
expect_exit 2 "encoders go with a manifest" $X a.h5 --text-encoder hash -o e.npz
expect_err 'binary|terminal|standard output' "a binary format has no standard output" $X a.h5 --model a.h5 -o -
if [ -x "$BIN/train" ]; then
	$X $ENC --root "$IMAGES" m.jsonl -o f.h5 && "$BIN/train" --no-track -q --model cca f.h5 -o cca.h5
	t "--model, --split, --project" $X --model cca.h5 f.h5 --split test --project 8,16 -o e.npz
	t "threads 1: same bytes" eval '$X --model cca.h5 f.h5 --split test --project 8,16 -o e1.npz -j 1 && cmp e.npz e1.npz'
	expect_err 'the vectors have' "--truncate to more than there is" $X --model cca.h5 f.h5 --truncate 60000 -o e2.npz
	expect_err 'twice' "one size twice" $X --model cca.h5 f.h5 --project 8 --truncate 8 -o e2.npz
fi

# --- bad manifests and usage
{ line a rgb.png; line a grey.jpg; } > pics/twice.jsonl
expect_err "'a' occurs twice" "duplicate ids" $X $ENC pics/twice.jsonl -o x.h5
: > pics/empty.jsonl
expect_exit 1 "an empty manifest is a failure" $X $ENC pics/empty.jsonl -o x.h5
{ manifest 1; line a rgb.png; } > pics/half.jsonl
expect_err 'have no .split.' "splits for some only" $X $ENC pics/half.jsonl -o x.h5
expect_err "did you mean 'classic'" "an unknown encoder names the nearest" $X --image-encoder clasic m.jsonl -o x.h5
expect_err "not an encoder for texts" "an image encoder for texts" $X --text-encoder classic m.jsonl -o x.h5
expect_exit 2 "no encoder" $X m.jsonl -o x.h5
expect_exit 2 "no output" $X $ENC m.jsonl
expect_exit 2 "no input" $X $ENC -o x.h5
printf '{"id":"e","image":"rgb.png","captions":[{"id":"e1","text":""},{"id":"e2","text":"fine"}],"synthetic":false}\n' > pics/e.jsonl
t "a caption without words is counted" eval '"$BIN/extract-features" --no-track $ENC pics/e.jsonl -o e.h5 2> err && grep -q "1 captions hold no words" err'
t "--list" eval '$X --list | grep -q "^classic .*image" && $X --list --json | grep -q "\"hash\""'
mkfifo pics/pipe.png; { line pipe pipe.png; line zero /dev/zero; } > pics/devices.jsonl
expect_err 'not a regular file' "a pipe or a device is no picture, and holds nobody up" timeout -k 1 30 $X $ENC pics/devices.jsonl -o dev.h5
own_input() { cp m.jsonl mine.jsonl; run mine.jsonl -o mine.jsonl -f 2> err; [ $? = 1 ] && grep -q 'is the input' err && cmp m.jsonl mine.jsonl; }
t "--force does not replace the input" own_input
