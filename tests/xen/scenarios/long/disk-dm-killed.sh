# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# disks: yes
# The device model dies while the guest writes: what was flushed is there.
. /xt/disks.sh

flushed() {
	grep -a "^guest: disk-load flushed [0-9]*$cr\$" "$guests/$1.serial" |
		tail -n 1 | tr -dc 0-9
}

# flushed_more NAME NUMBER
flushed_more() {
	times=$(flushed "$1")
	[ "${times:-0}" -gt "$2" ]
}

# The follower reads a console to the end that a dead device model gave it.
all_read() { ! pgrep -f "^cat $(cat "$guests/$1.tty")" >/dev/null; }

# dies NAME DISK [KEY=VALUE]
dies() {
	empty_image data 64
	image_guest "$@"
	guest_cmd "$name" "disk-load flush /dev/$disk 0 64"
	within 60 flushed_more "$name" 50 || fail "the guest does not write"
	kill -9 "$(dm_pid "$name")"
	must "its last words are not read" within 10 all_read "$name"
	note "$(flushed "$name") were flushed"
	disk-load check "$image" 0 64 "$(flushed "$name")" ||
		fail "what was flushed is not in the image"
	x destroy "$name" || fail "xl destroy failed"
}

dies pv xvda
dies ide sda "$emulated"
