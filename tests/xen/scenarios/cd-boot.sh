# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# disks: yes
# A guest boots from a CD-ROM, and reads it to its end.
. /xt/disks.sh

cd_image cd
guest_config cd -kernel -ramdisk -cmdline memory=192 'boot="d"' \
	"disk=[$(cd_key "$image")]"
guest_create cd
# Behind what GRUB clears the screen with.
wait_line cd 'guest: userspace up' 600 >/dev/null
guest_ask cd disks '^guest: disks' 120 >/dev/null
cd_is cd "$image"
x destroy cd || fail "xl destroy failed"
