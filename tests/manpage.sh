#!/usr/bin/env bash
# manpage.sh PAGE PROGRAM [PREFIX]: the written man page with OPTIONS, taken from the program's own table, put before EXAMPLES.
# With PREFIX, our programs go by the names that they are installed under: itr-train, not train. So in .Nm, .Xr, .Dt, and where a command begins in an example.
set -e
names=" $(cd "$(dirname "$1")" && echo *.1 | sed 's/\.1//g') "
name=$(basename "$1" .1)
ITR_OPTIONS=$(exec -a "${3:-}$name" "$2" --help=mdoc) awk -v prefix="${3:-}" -v with="${3+1}" -v names="$names" '
BEGIN { pattern = substr(names, 2, length(names) - 2); gsub(/ /, "|", pattern) }
# each command in a line: at its start, behind a pipe, "$(", ";", "&&" or a variable that is set
function installed(line,   done, at, word) {
	done = ""
	while (match(line, "(^|[|;&(] *|^[A-Z_]+=[^ ]* )(bin/)?(" pattern ")( |$)")) {
		word = substr(line, RSTART, RLENGTH); at = RSTART + RLENGTH
		match(word, "(bin/)?(" pattern ")( |$)")
		done = done substr(line, 1, at - length(word) - 1) substr(word, 1, RSTART - 1)
		word = substr(word, RSTART); sub(/^bin\//, "", word)
		done = done prefix word; line = substr(line, at)
	}
	return done line
}
/^\.(Nm|Xr|Dt) [^ ]/ && with {
	name = tolower($2); sub(/^itr-/, "", name)
	if (index(names, " " name " ")) $2 = $1 == ".Dt" ? toupper(prefix name) : prefix name
}
with && /^\.Dl / { $0 = ".Dl " installed(substr($0, 5)) }
/^\.Ed/ { literal = 0 }
with && literal { $0 = installed($0) }
/^\.Bd .*-literal/ { literal = 1 }
/^\.Sh "?EXAMPLES"?$/ { print ".Sh OPTIONS\n.Bl -tag -width Ds"; print ENVIRON["ITR_OPTIONS"]; print ".El" }
{ print }' "$1"
