# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# disks: yes
# not-qemu: stock QEMU makes up zeroes
# What is behind the end of an image that got shorter is an error to the guest;
# what is before it can still be read.
. /xt/disks.sh

# shortens NAME DISK [KEY=VALUE]
shortens() {
	empty_image data 64
	image_guest "$@"
	truncate -s 16M "$image"
	guest_ask "$name" "disk-load speed /dev/$disk 0 16 read seq 64 1" \
		'^guest: disk-load speed' 60 >/dev/null
	guest_cmd "$name" "disk-load speed /dev/$disk 32 16 read seq 64 1"
	wait_line "$name" '^guest: disk-load read .*Input/output error' 60
	dm_lives "$name"
	x destroy "$name" || fail "xl destroy failed"
}

shortens pv xvda
shortens ide sda "$emulated"
