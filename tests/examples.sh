#!/usr/bin/env bash
# The examples of the library compile: each block of lines ` *<TAB>...` in a header that calls something of ours, and each ```c block in a folder's README;
# those of CONTRIBUTING.md are whole files.
# What an example leaves open (a path, a batch) is declared in tests/examples.txt, a line "HEADER.h: declarations @header.h..." for each that needs some.
cd "$(dirname "$0")/.." || exit 1
bad=0; tmp=$(mktemp -d "${TMPDIR:-/tmp}/itr-examples.XXXXXX"); trap 'rm -rf "$tmp"' EXIT
flags="-std=c11 -D_GNU_SOURCE -Ilib -Ibuild $(pkg-config --cflags hdf5-serial 2>/dev/null || pkg-config --cflags hdf5 2>/dev/null) -Wall -Werror -Wno-unused -Wno-unused-result -fsyntax-only"
blocks() {   # FILE: its examples as $tmp/N.c, each with the declarations and within a function
	awk -v dir="$tmp" -v declared="$(sed -n "s|^$(case $1 in *.h) basename "$1" ;; *) echo "$1" ;; esac): ||p" tests/examples.txt)" -v header="$(case $1 in *.h) echo "${1#lib/}" ;; esac)" -v readme="$(case $1 in *.md) echo 1 ;; esac)" -v whole="$(case $1 in CONTRIBUTING.md) echo 1 ;; esac)" '
		function put() {
			if (text ~ /itr_[a-z0-9_]+\(/ && text ~ /;/) {
				out = dir "/" ++n ".c"
				if (whole) { print text > out; close(out); text = ""; return }
				print "#include <stdint.h>\n#include <stdio.h>\n#include <string.h>" > out
				if (header) print "#include \"" header "\"" > out
				k = split(declared, part, " *@"); for (i = 2; i <= k; i++) print "#include \"" part[i] "\"" > out
				print part[1] > out
				if (text ~ /&err/) print "itr_err err;" > out; else if (text ~ /[( ]err[,)]/) print "itr_err *err;" > out
				if (text ~ /^int main/) print text > out; else print "int example(void);\nint example(void)\n{\n" text "return 0;\n}" > out
				close(out)
			}
			text = ""
		}
		readme && /^```c$/ { inside = 1; next }
		readme && /^```/ { if (inside) put(); inside = 0; next }
		readme { if (inside) text = text $0 "\n"; next }
		/^ \*\t/ { text = text substr($0, 4) "\n"; next }
		text { put() }' "$1"
}
count=0
for f in lib/*/*.h lib/*/README.md CONTRIBUTING.md; do
	rm -f "$tmp"/*.c; blocks "$f"
	for c in "$tmp"/*.c; do
		[ -f "$c" ] || continue
		count=$((count + 1))
		# shellcheck disable=SC2086
		${CC:-gcc} $flags "$c" 2> "$tmp/log" || { echo "# an example of $f does not compile:"; grep -E 'error|warning' "$tmp/log" | sed 's/^[^:]*/# example/' | head -n 4; bad=1; }
	done
done
[ $count -gt 15 ] || { echo "# only $count examples were found"; bad=1; }
[ $bad = 0 ] && echo "ok - the $count examples in headers, folders' READMEs and CONTRIBUTING.md compile" || echo "not ok - the $count examples in headers, folders' READMEs and CONTRIBUTING.md compile"
exit $bad
