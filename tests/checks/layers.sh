#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Fails when an #include points the wrong way.  The table is the architecture:
# folder, what of ours it may include, which Xen libraries it may call.
srcdir=${srcdir:-.}
number=0
failed=0

check() {
    folder=$1 ours=$2 xen=$3
    bad=$(grep -rn --include='*.[chS]' '^[[:space:]]*#[[:space:]]*include' \
        "$srcdir/$folder" |
        sed 's/#[[:space:]]*include[[:space:]]*//' |
        awk -v ours="$ours" -v xen="$xen" '
        {
            name = $0
            sub(/^[^"<]*["<]/, "", name)
            sub(/[">].*/, "", name)
            if (name == "config.h")
                next
            if (name ~ /^(xenram|mapcache|ram|memdev|migrate|dm|tool|tests)\//) {
                if (name !~ ("^(" ours ")"))
                    print
            } else if (name ~ /^(xen|xs)[a-z]*\.h$/) {
                if (name !~ ("^(" xen ")\\.h$"))
                    print
            }
        }')
    number=$((number + 1))
    if [ -z "$bad" ]; then
        echo "ok $number - $folder includes only what it may"
    else
        echo "not ok $number - $folder includes only what it may"
        echo "$bad" | sed 's/^/# /'
        failed=1
    fi
}

echo 1..7
check include 'xenram/' 'none'
check mapcache 'xenram/mapcache\.h|mapcache/' 'xenforeignmemory'
check ram 'xenram/(mapcache|ram)\.h|ram/' 'xencall|xendevicemodel'
check memdev 'xenram/memory-device\.h|memdev/' 'none'
check migrate 'xenram/(ram|migrate)\.h|migrate/' 'none'
check dm 'xenram/|dm/' \
    'xencall|xendevicemodel|xenevtchn|xenforeignmemory|xengnttab|xenstore|xentoolcore'
check tool 'xenram/|dm/|tool/' 'none'
exit $failed
