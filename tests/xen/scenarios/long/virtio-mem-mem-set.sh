# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# not-qemu: it has no memory devices on Xen
# xl mem-set beside virtio-mem: it says how much a guest may have of its device,
# and takes nothing from a guest whose balloon driver is off. A guest that has its
# balloon driver cannot load virtio-mem's, and loses nothing by that.
. /xt/lib.sh

virtio_mem_guest mv "$(virtio_mem 0 256M)"
guest_create mv
wait_up mv
virtio_mem_begin mv
virtio_mem_drivers mv
plug mv 64

note "less may be plugged than the device has"
x mem-set mv 320 || fail "xl mem-set failed"
plugged mv 64
must_fail "a guest has more than xl mem-set leaves it" \
	xenram plug --wait 5 "$(domid mv)" 256 2>"$guests/answer"
note "$(cat "$guests/answer")"
pages=$(pages_of mv)
[ "$pages" -le $((pages_before + 192 * 256)) ] || fail "the guest has $pages pages"
x mem-set mv 384 || fail "xl mem-set failed"
plug mv 256
plug mv 0
x destroy mv || fail "xl destroy failed"
guest_unfollow mv

note "with the balloon driver"
virtio_mem_guest bal "$(virtio_mem 0 256M)"
sed -i 's/initcall_blacklist=balloon_init\|xen_nopv//' "$guests/bal.cfg"
guest_create bal
wait_up bal
virtio_mem_drivers bal
must_fail "virtio-mem and the balloon share a guest" \
	xenram plug --wait 5 "$(domid bal)" 64 2>"$guests/answer"
note "$(cat "$guests/answer")"
balloon bal 352
has=$balloon_kb
balloon bal 384
[ "$balloon_kb" = $((has + 32 * 1024)) ] ||
	fail "the balloon left $has kB, then $balloon_kb kB"
count_now bal >/dev/null
