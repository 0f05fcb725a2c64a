#!/usr/bin/env bash
# What every program does alike: --help, --version, wrong use, a full disk behind standard output.
. "$(dirname "$0")/../lib.sh"
nearest() { "$BIN/$1" --thraeds 2 > out 2> err; [ $? = 2 ] && grep -q "did you mean '--threads'" err && [ ! -s out ]; }
abbreviated() { "$BIN/$1" --thr 2 2> err; [ $? = 2 ] && grep -q "write '--threads'" err; }
help() { "$BIN/$1" --help > out 2> err && [ ! -s err ] && head -n 1 out | grep -q "^$1 - " && grep -q '^Usage: ' out && grep -q '^Examples:' out && grep -q -- '--seed' out; }
full() { "$BIN/$1" "$2" > /dev/full 2> err; [ $? = 1 ] && grep -q 'cannot write standard output: No space left' err; }
version() { "$BIN/$1" --version | head -n 1 | grep -qE "^$1 \(itr\) [0-9]+\.[0-9]+"; }
no_traces() { [ ! -e runs ]; }
for path in "$BIN"/*; do
	p=$(basename "$path")
	t "$p --help" help "$p"
	t "$p --version" version "$p"
	t "$p: an unknown option exits 2 and names the nearest" nearest "$p"
	t "$p: an abbreviation is refused with the full name" abbreviated "$p"
	expect_exit 2 "$p: an option without its value exits 2" "$BIN/$p" --seed
	expect_exit 2 "$p: a value of the wrong kind exits 2" "$BIN/$p" --seed abc
	t "$p --help > /dev/full exits 1" full "$p" --help
	t "$p --version > /dev/full exits 1" full "$p" --version
done
t "none of these left a run behind" no_traces
