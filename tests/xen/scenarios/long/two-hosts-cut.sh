# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# other-host: same
# host-mem: 2560
# What carries a migration is killed in the middle of it: the guest goes on at
# its source, and nothing of it is left at the target. The next one succeeds.
. /xt/joined.sh

# cut_by COMMAND...: the connection is killed where COMMAND ends.
cut_by() {
	say "cut by $*"
	count=$(count_now g1) || exit 1
	id=$(domid g1)
	guest_mark g1
	export OVER_CUT="$*"
	must_fail "xl migrate succeeds though cut by $*" send g1
	unset OVER_CUT
	note "xl says: $(grep migration "$guests/sent")"
	[ "$(domid g1)" = "$id" ] || fail "the guest is not what it was"
	goes_on g1 "$count"
	same_memory g1
	over_there "nothing_left $there_free"
}

runs || return
hosts_meet
full_guest g1
there_free=$(over_there free_mb)
# In the guest's configuration, early and late in its memory, in the device
# model's state.
cut_by head -c 100
cut_by head -c 2000000
cut_by head -c 70000000
cut_by cut-at-state
say "not cut"
migrate_there g1
over_there same_memory g1
