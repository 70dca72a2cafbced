# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 200
# disks: yes
# not-qemu: it has qcow2
# A format that there is none of is refused, in one line that names what there
# is.
. /xt/disks.sh

empty_image data 16
printf 'QFI\373\0\0\0\3' | dd of="$image" conv=notrunc status=none
guest_config other "disk=['format=qcow2,vdev=xvda,access=rw,target=$image']"
must_fail "the guest was created" x create "$guests/other.cfg"
note "the device model says: $(cat "$(dm_log other)")"
[ "$(grep -c . "$(dm_log other)")" = 1 ] || fail "not one line"
must "the line does not name what there is" \
	grep -q 'format=qcow2: only raw' "$(dm_log other)"
must "a domain is left" within 20 gone other
