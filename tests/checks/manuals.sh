#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Manual pages are clean, and name every public function.
srcdir=${srcdir:-.}
number=0
failed=0

verdict() {
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        echo "$2" | sed 's/^/# /'
        failed=1
    fi
}

for page in "$srcdir"/docs/man/*.[0-9]; do
    if command -v mandoc >/dev/null 2>&1; then
        verdict "$(basename "$page") is clean" \
            "$(mandoc -Tlint -Wwarning "$page" 2>&1)"
    fi
done
for header in "$srcdir"/include/xenram/*.h; do
    page=$srcdir/docs/man/xen_$(basename "$header" .h | tr - _).3
    verdict "$(basename "$page") names the functions of $(basename "$header")" \
        "$(tr '\n' ' ' <"$header" |
            sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' |
            grep -oE 'xen_[a-z0-9_]+\(' | tr -d '(' | grep -v '_fn$' |
            sort -u | while read -r name; do
            grep -q "^\.Nm $name\b" "$page" || echo "missing: $name"
        done)"
done
echo "1..$number"
exit $failed
