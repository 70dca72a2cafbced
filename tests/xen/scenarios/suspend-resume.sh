# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# xen: 4.20
# A guest that xl suspend stopped goes on where it was, in the same domain. It
# has a guest of its own: see docs/known-faults.md.
. /xt/lib.sh

guest_config nap
guest_create nap
wait_up nap
id=$(domid nap)
count=$(count_now nap)
x suspend nap || fail "xl suspend failed"
x resume nap || fail "xl resume failed"
goes_on nap "$count"
must "the domain is another one" test "$(domid nap)" = "$id"
x destroy nap || fail "xl destroy failed"
