# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# not-qemu: the library, on a guest that any device model could have
# A block of memory in a guest grows, meets maxmem, shrinks, moves and goes;
# Xen's page count is exact after each step, and the guest goes on.
. /xt/lib.sh

shared_guest
count=$(count_now shared) || exit 1
x pause shared || fail "xl pause failed"
before=$(ram-steps pages "$(domid shared)")
ram-steps run "$(domid shared)" || fail "a step failed"
after=$(ram-steps pages "$(domid shared)")
[ "$before" = "$after" ] || fail "the guest had $before pages, has $after"
x unpause shared || fail "xl unpause failed"
goes_on shared "$count"
