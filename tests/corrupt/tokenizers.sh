#!/usr/bin/env bash
# Vocabularies that were cut, scribbled on, packed to burst, or are something else: a message and exit 1, never a crash.
. "$(dirname "$0")/../lib.sh"
T=$BIN/tokenize; V=$ROOT/tests/golden/tokenizers_vocab.txt; M=$ROOT/tests/golden/tokenizers_merges.txt
echo 'a dog [MASK] caf&eacute; runs' > c.txt
gzip -9 -c "$M" > m.gz
# calm SPEC: ids, or a message with exit 1; never a signal
calm() { "$T" -t "$1" c.txt > .o 2> .e; local c=$?; [ $c = 0 ] || { [ $c = 1 ] && [ -s .e ]; } || { echo "exit $c with $1"; tail -n 3 .e; return 1; }; }
cut_gz() { local size at; size=$(stat -c %s m.gz); for ((at = 0; at < size; at += 1 + size / 60)); do head -c $at m.gz > cut.gz; "$T" -t clip-bpe:cut.gz c.txt > .o 2> .e; [ $? = 1 ] && [ -s .e ] && [ ! -s .o ] || { echo "cut at $at"; return 1; }; done; }
t "a packed file cut at sixty places: refused" cut_gz
scribble() { local k at size; size=$(stat -c %s "$2"); for ((k = 0; k < 80; k++)); do at=$(((k * 7919 + k * k * 31) % size)); cp "$2" s.bin; printf '\377\000\377' | dd of=s.bin bs=1 seek=$at conv=notrunc 2> /dev/null; calm "$1:s.bin" || return 1; done; }
t "merges, packed, scribbled at 80 places" scribble clip-bpe m.gz
t "merges, plain, scribbled at 80 places" scribble clip-bpe "$M"
t "word pieces scribbled at 80 places" scribble wordpiece "$V"
t "tokenizer.json of word pieces scribbled at 80 places" scribble wordpiece "$ROOT/tests/golden/added/bert.json"
t "tokenizer.json of CLIP scribbled at 80 places" scribble clip-bpe "$ROOT/tests/golden/added/clip.json"
cut_plain() { local k; for ((k = 0; k < 40; k++)); do head -c $(($(stat -c %s "$2") * k / 40)) "$2" > cut.txt; calm "$1:cut.txt" || return 1; done; }
t "merges cut at forty places" cut_plain clip-bpe "$M"
t "word pieces cut at forty places" cut_plain wordpiece "$V"
t "tokenizer.json cut at forty places" cut_plain wordpiece "$ROOT/tests/golden/added/bert.json"
head -c 100000000 /dev/zero | gzip -9 > bomb.gz
expect_err "'bomb.gz' is refused: it unpacks to more than" "a file that unpacks to 100 MB" "$T" -t clip-bpe:bomb.gz c.txt
head -c 70000000 /dev/zero > zeros
expect_err "zeros" "70 MB of zeros" "$T" -t wordpiece:zeros c.txt
rm -f zeros bomb.gz
{ cat m.gz; echo more; } > tail.gz
expect_err 'checksum does not fit' "something behind the packed data" "$T" -t clip-bpe:tail.gz c.txt
expect_err 'repeats token' "a token twice" "$T" -t wordpiece:<(cat "$V"; echo dog) c.txt
expect_err 'has no \[UNK\]' "no [UNK]" "$T" -t wordpiece:<(grep -v UNK "$V") c.txt
expect_err "does not say '#version'" "no header" "$T" -t clip-bpe:<(tail -n +2 "$M") c.txt
expect_err "does not say '#version'" "a picture as merges" "$T" -t clip-bpe:"$(ls "$ROOT"/tests/data/images/*.png | head -n 1)" c.txt
expect_err 'a_folder' "a folder without a vocabulary" bash -c "mkdir a_folder; '$T' -t a_folder c.txt"
expect_err 'tokenizer_config' "a damaged tokenizer_config.json" bash -c "mkdir f; cp '$V' f/vocab.txt; echo '{' > f/tokenizer_config.json; '$T' -t f c.txt"
head -c 3000000 /dev/urandom > noise
noise() { for s in wordpiece:"$V" clip-bpe:"$M"; do for o in "" "--clip-clean open_clip" --tokens --lengths; do timeout 100 "$T" -t "$s" $o noise > .o 2> .e || return 1; done; done; timeout 100 "$T" --build-vocab noise -q > v.txt && calm words:v.txt; }
t "three megabytes of noise as captions" noise
