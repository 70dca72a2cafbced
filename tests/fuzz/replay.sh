#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each fuzz target survives its corpus: seeds, and what once broke it.
srcdir=${srcdir:-.}
number=0
failed=0

for dir in "$srcdir"/tests/fuzz/corpus/*/; do
    target=$(basename "$dir")
    number=$((number + 1))
    if "tests/fuzz/$target" "$dir" >replay.log 2>&1 </dev/null; then
        echo "ok $number - $target survives its corpus"
    else
        echo "not ok $number - $target survives its corpus"
        sed 's/^/# /' replay.log
        failed=1
    fi
done
rm -f replay.log
echo "1..$number"
exit $failed
