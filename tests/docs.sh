#!/usr/bin/env bash
# Man pages against the programs: one page a program, its sections, and no option in an example that the program does not know. Examples in headers compile (examples.sh).
cd "$(dirname "$0")/.." || exit 1
BIN=${1:-${BIN:-bin}}; bad=0
for c in tools/*.c; do
	p=$(basename "$c" .c); page=tools/$p.1; why=
	if [ ! -f "$page" ]; then why="no man page"; else
		for s in NAME SYNOPSIS DESCRIPTION EXAMPLES "EXIT STATUS" "SEE ALSO"; do grep -qxE "\.Sh \"?$s\"?" "$page" || why="$why; no section $s"; done
		grep -q '^\.Sh OPTIONS' "$page" && why="$why; OPTIONS is generated, not written"
		known=$("$BIN/$p" --help=completion) || why="$why; --help=completion fails"
		for o in $(sed -e 's/\\-/-/g' "$page" | grep -E "^(\.Dl )?(bin/|itr-)?$p " | grep -oE -- '--[a-z][a-z_-]+' | tr _ - | sort -u); do
			echo "$known" | grep -qx -- "$o" || echo "$known" | grep -qx -- "--${o#--no-}" || why="$why; example uses $o"; done
		full=$(mktemp); tests/manpage.sh "$page" "$BIN/$p" > "$full" || why="$why; the page cannot be assembled"
		if command -v mandoc >/dev/null; then m=$(mandoc -T lint -W error "$full" 2>&1) || why="$why; $m"; fi; rm -f "$full"
	fi
	[ -z "$why" ] && echo "ok - $p: man page" || { echo "# $why"; echo "not ok - $p: man page"; bad=1; }
done
# Texts that users see name programs in braces (lib/base/program.h): where the name is no English word, anywhere; else where an option or a command follows.
names=$(basename -a -s .c tools/*.c)
alone=$(grep - <<< "$names" | paste -sd'|'); words=$(grep -v - <<< "$names" | paste -sd'|')
bare=$(grep -nE "\"([^\"]*[^{a-z/\"-])?($alone)([^}a-z\"-])|\"([^\"]*[^{a-z/\"-])?($words) (--[a-z]|(list|show|end|restore|log|tag|best|start|rm) )" lib/*/*.[ch] lib/*/*.def tools/*.c |
	grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)|description.*made by fetch-coco')
if [ -z "$bare" ]; then echo "ok - texts name programs in braces"; else echo "$bare" | sed 's/^/# /'; echo "not ok - texts name programs in braces"; bad=1; fi
tests/examples.sh || bad=1
tests/architecture.sh || bad=1
exit $bad
