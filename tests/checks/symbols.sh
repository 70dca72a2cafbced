#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The library exports what the headers declare, no more and no less.
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only .libs/libxenram.so |
    awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
cat "$srcdir"/include/xenram/*.h | tr '\n' ' ' |
    sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' |
    grep -oE 'xen_(mapcache|ram|migrate|memory)_[a-z0-9_]+\(' | tr -d '(' |
    grep -v "_fn$" | sort -u >"$work/declared"

echo 1..1
if [ -s "$work/declared" ] && cmp -s "$work/exported" "$work/declared"; then
    echo "ok 1 - the library exports exactly what its headers declare"
else
    echo "not ok 1 - the library exports exactly what its headers declare"
    diff "$work/declared" "$work/exported" | sed 's/^/# /'
    exit 1
fi
