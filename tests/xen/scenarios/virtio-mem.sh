# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# not-qemu: it has no memory devices on Xen
# A guest grows and shrinks in steps while it works, and takes what it has been
# given through a save: its kernel's count and Xen's follow to the page, memory
# that it gave back is absent, and more than its head-room is refused.
. /xt/lib.sh

room=896
virtio_mem_guest vm "\"-m\",\"128,maxmem=2G\",$(virtio_mem 0 1G)"
guest_create vm
wait_up vm
virtio_mem_begin vm
peek=$(guest_ask vm "peek $((base + 0x200000))" '^guest: peek' 60)
[ "$peek" = 0xFFFFFFFF ] || fail "what was never plugged reads as $peek"
virtio_mem_drivers vm
plugged vm 0

# Memory that is used for data as it comes.
busy_start vm
for mb in 128 512 896 384 894 256; do plug vm $mb; done
plug vm 128
busy_end vm
fill_memory vm

note "beyond what Xen gives the guest"
must_fail "a guest has more than it may" \
	xenram plug --wait 5 "$(domid vm)" 1024 2>"$guests/answer"
note "$(cat "$guests/answer")"
grep -q 'of 1024 MiB and nothing came of it' "$guests/answer" ||
	fail "xenram plug says $(cat "$guests/answer")"
grep -q 'raise videoram or maxmem' "$(dm_log vm)" ||
	fail "the device model's log has no advice"
must_fail "a device gives more than it has" \
	xenram plug "$(domid vm)" 1026 2>"$guests/answer"
plug vm 192
same_memory vm

save_and_restore vm
plugged vm 192
same_memory vm
plug vm 896
forget_memory vm
plug vm 64
plug vm 0
