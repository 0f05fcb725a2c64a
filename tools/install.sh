#!/usr/bin/env bash
# install.sh install|uninstall DESTDIR PREFIX BIN LIBRARY PROGRAM_PREFIX: what `make install` puts below PREFIX, and what `make uninstall` takes away.
# PREFIX/share/itr/installed names each file, and with a '/' at its end each folder that was made for them. These alone go again, folders only when nothing else lies in them.
set -eu
what=$1 destdir=${2%/} prefix=${3%/} bin=$4 library=$5 before=$6
case $prefix in /*|'') ;; *) prefix=$PWD/$prefix ;; esac
list=$prefix/share/itr/installed
old=$(cat "$destdir$list" 2>/dev/null || true)
new=

folder() {   # makes it, and notes what was made
	[ -d "$destdir$1" ] && return
	[ -z "${1%/*}" ] || folder "${1%/*}"
	mkdir -p "$destdir$1"
	new+=$1/$'\n'
}
put() {   # MODE SOURCE TARGET
	folder "${3%/*}"
	install -m "$1" "$2" "$destdir$3"
	new+=$3$'\n'
}
has() { case $'\n'$1$'\n' in *$'\n'$2$'\n'*) ;; *) return 1 ;; esac; }
clear_away() {   # LINES: files, then folders from the innermost outwards
	local line
	grep -v '/$' <<< "$1" | while IFS= read -r line; do [ -z "$line" ] || rm -f "$destdir$line"; done
	grep '/$' <<< "$1" | LC_ALL=C sort -r | while IFS= read -r line; do rmdir "$destdir$line" 2>/dev/null || [ ! -d "$destdir$line" ] || echo "$destdir$line stays: it holds other files"; done
}

case $what in
install)
	for p in tools/*.c; do
		name=$(basename "$p" .c)
		put 755 "$bin/$name" "$prefix/bin/$before$name"
		page=$(mktemp); tests/manpage.sh "tools/$name.1" "$bin/$name" "$before" > "$page"
		put 644 "$page" "$prefix/share/man/man1/$before$name.1"; rm -f "$page"
	done
	put 644 "$library" "$prefix/lib/libitr.a"
	for h in lib/*/*.h; do put 644 "$h" "$prefix/include/itr/${h#lib/}"; done
	folder "${list%/*}"
	new+=$list$'\n'
	gone=; kept=                                     # an earlier version's files go, its folders are still ours
	while IFS= read -r line; do case $line in ''|*/) kept+=$line$'\n' ;; *) has "$new" "$line" || gone+=$line$'\n' ;; esac; done <<< "$old"
	clear_away "$gone"
	printf '%s%s' "$new" "$kept" | grep . | LC_ALL=C sort -u > "$destdir$list"
	echo "installed in $destdir$prefix: $before* in bin, man pages, libitr.a and its headers" ;;
uninstall)
	[ -n "$old" ] || { echo "make: nothing to remove: $destdir$list is not there (PREFIX and DESTDIR have to be those of the installation)" >&2; exit 1; }
	clear_away "$old" ;;
esac
