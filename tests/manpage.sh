#!/usr/bin/env bash
# manpage.sh PAGE PROGRAM [PREFIX]: the written man page with OPTIONS, taken from the program's own table, put before EXAMPLES.
# With PREFIX, our programs go by the names that they are installed under: itr-train, not train (also in cross-references).
set -e
names=" $(cd "$(dirname "$1")" && echo *.1 | sed 's/\.1//g') "
ITR_OPTIONS=$("$2" --help=mdoc) awk -v prefix="${3:-}" -v with="${3+1}" -v names="$names" '
/^\.(Nm|Xr|Dt) [^ ]/ && with {
	name = tolower($2); sub(/^itr-/, "", name)
	if (index(names, " " name " ")) $2 = $1 == ".Dt" ? toupper(prefix name) : prefix name
}
/^\.Sh "?EXAMPLES"?$/ { print ".Sh OPTIONS\n.Bl -tag -width Ds"; print ENVIRON["ITR_OPTIONS"]; print ".El" }
{ print }' "$1"
