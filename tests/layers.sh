#!/usr/bin/env bash
# Who may include whom (lib/LAYERS), third-party headers each in one file, and what the library must never call.
cd "$(dirname "$0")/.." || exit 1
bad=0
say() { echo "# $1"; bad=1; }
while read -r file header; do
	others=$(grep -lE "#include [<\"]$header" lib/*/*.[ch] 2>/dev/null | grep -vx "$file")
	[ -z "$others" ] || say "only $file may include $header: $others"
done < <(sed -n 's/^!//p' lib/LAYERS)
for dir in lib/*/; do
	m=$(basename "$dir")
	ls "$dir"*.[ch] >/dev/null 2>&1 || continue
	allowed=$(sed -n "s/^$m:\(.*\)/ base $m \1 /p" lib/LAYERS)
	[ -n "$allowed" ] || { say "module $m is not in lib/LAYERS"; continue; }
	while IFS=: read -r file include; do
		used=$(echo "$include" | sed 's/.*"\([a-z0-9_]*\)\/.*/\1/')
		[ -d "lib/$used" ] || continue
		case "$allowed" in *" $used "*) ;; *) say "$file includes $include: $m may use:$allowed" ;; esac
	done < <(grep -E '#include "[a-z0-9_]+/' "$dir"*.[ch] /dev/null 2>/dev/null)
done
[ $bad = 0 ] && echo "ok - modules include only what lib/LAYERS allows" || echo "not ok - modules include only what lib/LAYERS allows"
rude=$(grep -nE '(^|[^_[:alnum:]])(exit|printf|puts|rand|srand|setlocale|strcpy|sprintf|gets|strtok)\(' lib/*/*.c | grep -vE '^lib/cli/|^lib/base/log\.c' | grep -vE '(//|/\*| \*).*(exit|printf|puts|rand|strcpy)')
if [ -z "$rude" ]; then echo "ok - the library never exits or prints"; else echo "$rude" | sed 's/^/# /'; echo "not ok - the library never exits or prints"; bad=1; fi
undocumented=$(for d in lib/*/; do [ -n "$(ls "$d"*.h 2>/dev/null)" ] && [ ! -f "${d}README.md" ] && echo "$d"; done)
if [ -z "$undocumented" ]; then echo "ok - every module has a README"; else echo "# without README.md: $undocumented"; echo "not ok - every module has a README"; bad=1; fi
h5=$(pkg-config --cflags hdf5-serial 2>/dev/null || pkg-config --cflags hdf5 2>/dev/null)
alone() { for h in "$@"; do echo "#include \"${h#lib/}\"" | ${CC:-gcc} -std=c11 -D_GNU_SOURCE -Ilib -Ibuild $h5 -Wall -Werror -fsyntax-only -xc - 2>/dev/null || echo "# $h"; done; }
export -f alone; export h5
headers=$(printf '%s\0' lib/*/*.h | xargs -0 -P "$(nproc)" -n 16 bash -c 'alone "$@"' _)
[ -z "$headers" ] && echo "ok - every header compiles by itself" || { echo "$headers"; echo "not ok - every header compiles by itself"; bad=1; }
wide=$(for f in lib/*/*.[ch] lib/*/*.inc tools/*.c tests/unit/*.[ch] tests/bench/*.[ch]; do expand "$f" | LC_ALL=C.UTF-8 grep -nE '^.{141}' | sed "s|^|# $f:|" | cut -c1-120; done)
if [ -z "$wide" ]; then echo "ok - no line of C is wider than 140 columns"; else echo "$wide"; echo "not ok - no line of C is wider than 140 columns"; bad=1; fi
exit $bad
