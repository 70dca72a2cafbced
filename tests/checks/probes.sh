#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The library carries the probes that mapcache/probes.h lists, with as many
# arguments; built without sys/sdt.h, none.
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if grep -q '^#define HAVE_SYS_SDT_H' config.h; then
    sed -n 's/^ \*   \(mapcache_[a-z]*\) *\([^:]*\).*/\1 \2/p' \
        "$srcdir/mapcache/probes.h" |
        awk '{ print $1, gsub(/,/, "") + 1 }' | sort >"$work/listed"
else
    : >"$work/listed"
fi
readelf -n .libs/libxenram.so | awk '
    $1 == "Provider:" { ours = $2 == "xenram" }
    $1 == "Name:" { name = $2 }
    ours && $1 == "Arguments:" { print name, NF - 1 }' |
    sort -u >"$work/built"

echo 1..1
if cmp -s "$work/listed" "$work/built"; then
    echo "ok 1 - the library has the probes that it should have"
else
    echo "not ok 1 - the library has the probes that it should have"
    diff "$work/listed" "$work/built" | sed 's/^/# /'
    exit 1
fi
