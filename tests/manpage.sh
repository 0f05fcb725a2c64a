#!/usr/bin/env bash
# manpage.sh PAGE PROGRAM: the written man page with OPTIONS, taken from the program's own table, put before EXAMPLES.
set -e
ITR_OPTIONS=$("$2" --help=mdoc) awk '/^\.Sh "?EXAMPLES"?$/ { print ".Sh OPTIONS\n.Bl -tag -width Ds"; print ENVIRON["ITR_OPTIONS"]; print ".El" } { print }' "$1"
