# lib.sh - sourced by every shell test. Gives $BIN (programs), $TMP (scratch, removed at the end; the working folder), $SHARED (real data, may be absent), $ROOT.
#   t NAME cmd...               passes when cmd succeeds
#   expect_exit CODE NAME cmd...   passes when cmd exits with CODE
#   expect_err REGEX NAME cmd...   passes when cmd exits 1 and its stderr matches REGEX
#   skip NAME why
#   await PID cmd...            waits until cmd succeeds; no longer than process PID lives, and two minutes
# A failed test shows its command's output. The script's exit code is the verdict.
# Neither of the four folders has a character in its name that a shell, make or a URL would read: tests hand them to sh -c, to make and to file:// as they are. Where the clone, the data or
# TMPDIR lies in a folder with a space or a quote, they are links from $TMP. (tests/tools/paths.sh is about the programs' own dealing with such names.)
export LC_ALL=C
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BIN=${BIN:-$ROOT/bin}; SHARED=${SHARED:-${ITR_SHARED:-$(cd "$ROOT/.." && pwd)/shared}}
_plain() { case $1 in *[!A-Za-z0-9_./+@-]*) return 1 ;; esac; }
_plain "${TMPDIR:-/tmp}" || export TMPDIR=/tmp
TMP=$(mktemp -d "${TMPDIR:-/tmp}/itr-test.XXXXXX"); FAILED=0
for _v in ROOT BIN SHARED; do
	case ${!_v} in /*) ;; *) printf -v $_v %s "$PWD/${!_v}" ;; esac
	_plain "${!_v}" || { ln -s "${!_v}" "$TMP/.$_v" && printf -v $_v %s "$TMP/.$_v"; }
done
export ITR_RUNS_DIR=$TMP/runs
unset ITR_PARENT_RUN MAKEFLAGS MAKELEVEL BUILD OPENBLAS_CORETYPE     # what OpenBLAS picks by itself is what users get
cd "$TMP" || exit 1
_finish() { code=$?; cd /; rm -rf "$TMP"; [ $code = 0 ] && exit $FAILED; echo "not ok - $(basename "$0") stopped early (exit $code)"; exit 1; }
trap _finish EXIT
_fail() { echo "not ok - $1"; FAILED=1; [ -f "$TMP/.out" ] && tail -n 12 "$TMP/.out" | sed 's/^/#   /'; return 0; }
t() { _n=$1; shift; if "$@" > "$TMP/.out" 2>&1; then echo "ok - $_n"; else echo "# exit $?: $*" ; _fail "$_n"; fi; }
expect_exit() { _c=$1; _n=$2; shift 2; "$@" > "$TMP/.out" 2>&1; _got=$?; if [ $_got = "$_c" ]; then echo "ok - $_n"; else echo "# exit $_got, not $_c: $*"; _fail "$_n"; fi; }
expect_err() { _r=$1; _n=$2; shift 2; "$@" > "$TMP/.stdout" 2> "$TMP/.out"; _got=$?
	if [ $_got = 1 ] && grep -qE -- "$_r" "$TMP/.out"; then echo "ok - $_n"; else echo "# exit $_got, wanted 1 and a message like '$_r': $*"; _fail "$_n"; fi; }
skip() { echo "skip - $1 ($2)"; }
await() { local pid=$1 end=$((SECONDS + 120)); shift; until "$@" > /dev/null 2>&1; do kill -0 "$pid" 2> /dev/null && [ $SECONDS -lt $end ] || { "$@" > /dev/null 2>&1; return; }; sleep 0.05; done; }
