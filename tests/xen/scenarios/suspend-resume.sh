# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# xen: 4.20
. /xt/lib.sh

shared_guest
count=$(count_now shared)
x suspend shared || fail "xl suspend failed"
x resume shared || fail "xl resume failed"
goes_on shared "$count"
