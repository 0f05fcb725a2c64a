#!/usr/bin/env bash
# Feature stores that were cut, scribbled on, or are something else: a message and exit 1, never a crash, and what existed stays.
. "$(dirname "$0")/../lib.sh"
X="$BIN/extract-features --no-track -q"
for i in 1 2 3 4; do
	printf '{"id":"i%d","image":"rgb.png","split":"test","captions":[{"id":"c%d","text":"number %d"}],"labels":["a"],"synthetic":false}\n' $i $i $i
done > m.jsonl
$X --image-encoder classic --text-encoder hash --tokens --max-tokens 2 --root "$ROOT/tests/data/images" m.jsonl -o good.h5 || exit 1
size=$(stat -c %s good.h5)
# survives FILE: exit 0 or 1 (the scribble hit nothing that matters), never a signal, and a message with exit 1
survives() { $X --verify "$1" > .o 2> .e; local c=$?; [ $c = 0 ] || { [ $c = 1 ] && { [ -s .e ] || [ -s .o ]; }; }; }
cut() { local at bad=0; for ((k = 0; k < 60; k++)); do at=$((size * k / 60)); head -c $at good.h5 > cut.h5; $X --verify cut.h5 > .o 2> .e; [ $? = 1 ] && [ -s .e ] || { echo "cut at $at"; bad=1; }; done; return $bad; }
t "cut at sixty places: refused" cut
scribble() {
	local at bad=0
	for ((k = 0; k < 150; k++)); do
		at=$(((k * 7919 + k * k * 31) % (k % 2 ? size : 4096))); cp good.h5 s.h5; printf '\377\377\377\177' | dd of=s.h5 bs=1 seek=$at conv=notrunc 2> /dev/null
		survives s.h5 || { echo "scribbled at $at: $(tail -n 3 .e)"; bad=1; }
	done
	return $bad
}
t "scribbled at 150 places: no crash" scribble
expect_exit 1 "a manifest is not a store" $X --verify m.jsonl
: > z.h5
expect_exit 1 "an empty file" $X --verify z.h5
expect_exit 1 "a folder" $X --verify .
expect_err 'No such file' "a store that is not there" $X --verify nowhere.h5
kept() { cp good.h5 out.h5; head -c 3000 good.h5 > cut.h5; ! $X --merge good.h5 cut.h5 -o out.h5 -f 2> .e && cmp good.h5 out.h5; }
t "a failed merge leaves the old output" kept
