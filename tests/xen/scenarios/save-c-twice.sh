# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# xl save -c leaves the guest running; the second state file must not carry
# the tail of the first, and must restore.
. /xt/lib.sh

shared_guest
for round in 1 2; do
	count=$(count_now shared)
	x save -c shared "$guests/shared.save" || fail "xl save -c $round failed"
	goes_on shared "$count"
done
count=$(count_now shared)
x destroy shared
x restore "$guests/shared.save" || fail "xl restore failed"
guest_mark shared
count_now shared >/dev/null
