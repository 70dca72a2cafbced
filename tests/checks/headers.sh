#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each installed header compiles alone, as C and as C++ when a compiler is there.
srcdir=${srcdir:-.}
number=0
failed=0

try() {
    number=$((number + 1))
    if echo "#include <$2>" | $1 -Wall -Wextra -Werror -I "$srcdir/include" \
        -fsyntax-only -x "$3" - 2>headers.log; then
        echo "ok $number - $2 compiles alone as $3"
    else
        echo "not ok $number - $2 compiles alone as $3"
        sed 's/^/# /' headers.log
        failed=1
    fi
}

for header in "$srcdir"/include/xenram/*.h; do
    header=xenram/$(basename "$header")
    try "${CC:-cc}" "$header" c
    if command -v c++ >/dev/null 2>&1; then
        try c++ "$header" c++
    fi
done
rm -f headers.log
echo "1..$number"
exit $failed
