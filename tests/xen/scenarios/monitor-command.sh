# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# The human monitor answers what operators ask most.
. /xt/lib.sh

ask() {
	timeout 30 xl qemu-monitor-command shared "$1" >"$guests/answer" 2>&1 ||
		fail "\"$1\" failed"
	note "$1:"
	cat "$guests/answer"
	must "\"$1\" says nothing" test -s "$guests/answer"
	must_fail "\"$1\" is unknown" grep -qi 'unknown command' "$guests/answer"
}

shared_guest
ask help
ask "info version"
ask "info ram"
ask "info pci"
[ -n "$STOCK_QEMU" ] || ask "info mapcache"
count_now shared >/dev/null
