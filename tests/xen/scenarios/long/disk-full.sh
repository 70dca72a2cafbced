# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# disks: yes
# not-qemu: stock QEMU stops the guest
# The file system with the image is full: the guest gets an error, and goes on
# when there is space again.
. /xt/disks.sh

mkdir "$guests/small"
mount -t tmpfs small "$guests/small"
image=$guests/small/data.raw

# fills NAME DISK [KEY=VALUE]
fills() {
	rm -f "$image"
	mount -o remount,size=20m "$guests/small" || fail "cannot shrink the file system"
	truncate -s 64M "$image"
	image_guest "$@"
	load_start "$name" "/dev/$disk" 0 64
	load_fails "$name" 'Input/output error'
	dm_lives "$name"
	mount -o remount,size=100m "$guests/small"
	load_start "$name" "/dev/$disk" 0 64
	count_now "$name" >/dev/null
	load_end "$name"
	x destroy "$name" || fail "xl destroy failed"
}

fills pv xvda
fills ide sda "$emulated"
umount "$guests/small"
