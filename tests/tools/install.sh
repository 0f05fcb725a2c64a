#!/usr/bin/env bash
# make install and uninstall: PREFIX and prefix, names with a space and a quote; installed programs speak of themselves and of each other by the names they are installed under.
. "$(dirname "$0")/../lib.sh"
[ -z "${SANITIZE:-}" ] || { skip "make install" "the sanitizer build is not installed"; exit 0; }
go() { make -s -C "$ROOT" -o all "$@"; }             # -o all: what was built is installed, whatever flags it was built with
P="$TMP/it's a/prefix"; I=$P/bin
t "make install PREFIX=DIR" go install PREFIX="$P"
t "every program is there as itr-NAME, with its page" bash -c 'cd "$1" && for p in "$2"/*; do n=$(basename "$p"); [ -x "bin/itr-$n" ] && [ -s "share/man/man1/itr-$n.1" ] || { echo "$n"; exit 1; }; done' _ "$P" "$BIN"
t "library and headers" test -s "$P/lib/libitr.a" -a -s "$P/include/itr/cli/tool.h"
names=$(cd "$ROOT/tools" && echo *.1 | sed 's/\.1//g')

# Where the own name or a command stands (the first word of a line, what usage and 'see also' name), it is the installed one.
bare="(^|^usage: |^Usage: |\\\$\\(|[|] |'|^ {7})($(echo "$names" | tr ' ' '|'))( |\$|:|')"
speaks() { local n bad=0; for n in $names; do
	"$I/itr-$n" --help > help 2>&1 && head -n 1 help | grep -q "^itr-$n - " && grep -q "^Usage: itr-$n " help && sed -n '/^Examples:/,$p' help | grep -q "^  .*itr-$n" || { echo "$n: help"; bad=1; }
	sed -n '/^Examples:/,$p' help | sed 's/^  //' | grep -E "$bare" && bad=1
	sed -n '/^See also:/p' help | grep -oE '[a-z-]+\(1\)' | grep -v '^itr-' && bad=1
	"$I/itr-$n" --version | head -n 1 | grep -q "^itr-$n (itr)" || { echo "$n: version"; bad=1; }
	"$I/itr-$n" --thraeds 2 > /dev/null 2> err; head -n 1 err | grep -q "^itr-$n: " && grep -q "^usage: itr-$n " err && grep -q "'itr-$n --help'" err && ! grep -E "$bare" err || { echo "$n: usage"; cat err; bad=1; }
	grep -E "[{}]" <(sed -n '1,/^Options/p;/^Examples:/,$p' help) | grep -vE '\$\{|[{]"' && bad=1
done; return $bad; }
t "help, version and wrong use" speaks
pages() { local n bad=0; for n in $names; do
	sed -n 's/^\.Dl //p; /^\.Bd.*literal/,/^\.Ed/p' "$P/share/man/man1/itr-$n.1" | grep -E "(^|[|] |\\\$\\(|^[A-Z_]+=[^ ]+ )(bin/)?($(echo "$names" | tr ' ' '|')) " && bad=1
	grep -qx ".Dt $(echo "itr-$n" | tr a-z A-Z) 1" "$P/share/man/man1/itr-$n.1" || { echo "$n: .Dt"; bad=1; }
	grep -E '^\.Xr [a-z]' "$P/share/man/man1/itr-$n.1" | grep -vE '^\.Xr (itr-|jq|gnuplot|make)' && bad=1
done; return $bad; }
t "man pages: title, examples, cross-references" pages
"$I/itr-fetch-coco" --synthetic 60 --size 64 --seed 1 -q -o s > /dev/null && "$I/itr-extract-features" -q --image-encoder classic --text-encoder hash s/manifest.jsonl -o f.h5 || exit 1
expect_err "^itr-evaluate: .*'itr-train --model cca' fits one.*'itr-extract-features --model' makes" "a message that names other programs" "$I/itr-evaluate" f.h5 --no-track
expect_err "^itr-runs: which run\? itr-runs show ID" "a message that names the program itself" "$I/itr-runs" show
t "what is tracked and written does not depend on it" bash -c '"$1/runs" list --json | jq -e "[.runs[].source] | unique == [\"extract-features\", \"fetch-coco\"]"' _ "$BIN"
cp "$I/itr-runs" '%s%n-runs'
expect_err "^runs: which run\? runs show ID" "a name that is not ours to repeat" ./%s%n-runs show

echo mine > "$P/lib/other"
t "make uninstall" go uninstall PREFIX="$P"
t "what is not ours stays, with its folder" test "$(cd "$P" && find . | sort | tr '\n' ' ')" = ". ./lib ./lib/other "
mkdir -p own/bin
t "make install prefix=DIR, into folders that were there" go install prefix="$TMP/own"
t "twice is the same" go install prefix="$TMP/own"
t "make uninstall prefix=DIR" go uninstall prefix="$TMP/own"
t "leaves the folders that were there, nothing else" test "$(find own | sort | tr '\n' ' ')" = "own own/bin "
t "DESTDIR, folders that are new" go install DESTDIR="$TMP/stage" PREFIX=/usr PROGRAM_PREFIX=x-
t "another prefix of the programs' names" bash -c '[ -x stage/usr/bin/x-train ] && stage/usr/bin/x-train --help | head -n 1 | grep -q "^x-train - "'
t "DESTDIR, uninstalled" go uninstall DESTDIR="$TMP/stage" PREFIX=/usr
t "nothing is left" test -z "$(find stage -mindepth 1 2>/dev/null)"
expect_exit 2 "uninstall where nothing was installed says so" go uninstall PREFIX="$TMP/nowhere"
