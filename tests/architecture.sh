#!/usr/bin/env bash
# docs/architecture.md names files and functions in backquotes: each file (of lib/, tools/) exists, and each `function()` is defined in the file named last before it.
cd "$(dirname "$0")/.." || exit 1
bad=0 file='' functions=0 files=0
while read -r word; do
	case $word in
	*'()') functions=$((functions + 1)); [ -n "$file" ] && grep -qE "^[a-z].*[ *]${word%??}\(" "$file" 2>/dev/null || { echo "# $word is not in $file"; bad=1; } ;;
	lib/*\**|tools/*\**) ;;
	lib/*|tools/*|tests/*) files=$((files + 1)); file=$word; [ -f "$word" ] || { echo "# $word does not exist"; bad=1; } ;;
	esac
done < <(grep -oE '`[^`]+`' docs/architecture.md | tr -d '`')
[ $files -gt 30 ] && [ $functions -gt 40 ] || { echo "# only $files files and $functions functions are named"; bad=1; }
[ $bad = 0 ] && echo "ok - docs/architecture.md: $files files, $functions functions" || echo "not ok - docs/architecture.md: its files and functions"
exit $bad
