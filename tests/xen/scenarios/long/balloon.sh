# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# not-qemu: xenram's map cache is what is tested
# A guest gives memory back and takes it again while its device model runs and
# another program walks through all of it: what the guest writes is read, what
# the program writes arrives, and what the guest gave back is Xen's.
. /xt/lib.sh

# In a PVH dom0 each page that is unmapped is a hypercall of its own.
mb=256 low=160 stamps=1024
[ "$DOM0" = pv ] || mb=128 low=88

# has_given: Xen charges the guest what its balloon driver says.
has_given() {
	pages=$(pages_of balloon)
	note "$pages pages, should be $((pages_before - (kb_before - balloon_kb) / 4))"
	[ $((pages_before - pages)) = $(((kb_before - balloon_kb) / 4)) ]
}

# free_is MB: within the megabyte that xl info rounds away, and Xen's own use.
free_is() {
	now_free=$(free_mb)
	note "$now_free MB are free, should be $1"
	[ "$now_free" -ge $(($1 - 2)) ] && [ "$now_free" -le $(($1 + 2)) ]
}

# turn MB: the guest's memory becomes MB, then a round of stamps.
turn() {
	round=$((round + 1))
	balloon balloon "$1"
	must "Xen charges the guest other than its balloon driver says" \
		within 30 has_given
	must "Xen has other free memory than it should" within 10 \
		free_is $((free_before + (kb_before - balloon_kb) / 1024))
	stamp balloon $round $stamps
	walker_finds balloon $round $stamps
	good=$(walker_pages)
	[ $((good_before - good)) = $(((kb_before - balloon_kb) / 4)) ] ||
		fail "$good pages can be read, $good_before could before"
}

# turns BUDGET: down and up while a program walks that may map BUDGET MB.
turns() {
	round=$((round + 1))
	stamp balloon $round $stamps
	walker_start balloon $mb "$1"
	walker_finds balloon $round $stamps
	good_before=$(walker_pages)
	turn $low
	turn $mb
	walker_ends
	must "not all pages came back" has_given
	must "Xen's free memory did not come back" free_is "$free_before"
}

free_first=$(free_mb)
guest_config balloon memory=$mb
guest_create balloon
wait_up balloon
kb_before=$(guest_ask balloon "balloon 0" '^guest: balloon [0-9]' 60)
pages_before=$(pages_of balloon)
free_before=$(free_mb)
note "$pages_before pages, $kb_before kB, $free_before MB free, $free_first at first"

round=0
# One that maps everything anew each time, and one that keeps what it mapped.
turns 16
turns $mb

# A domain that dies says nothing to who has it mapped, and stays as a zombie
# until that is closed.
no_zombies() { ! xl list | grep -q '(null)'; }
walker_start balloon $mb $mb
must "no walk" within 60 grep -q "^walk 1:" "$guests/walker.out"
x destroy balloon || fail "xl destroy failed"
must_fail "a domain went that was mapped" no_zombies
walker_ends
must "the domain is still there" within 15 no_zombies
must "memory of the dead domain is not free" within 15 free_is "$free_first"
