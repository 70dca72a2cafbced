# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# disks: yes
# not-qemu: stock QEMU does not lock the images of PV disks
# A second guest does not get an image that a running one writes to.
. /xt/disks.sh

empty_image data 32
data_guest first "$(disk_key "$image" xvda)"
serves_pv first 1
load_start first /dev/xvda 0 32
guest_config second "disk=[$(disk_key "$image" xvda)]"
must_fail "two guests have one image" x create "$guests/second.cfg"
note "the device model says: $(cat "$(dm_log second)")"
must "a domain is left" within 20 gone second
load_end first 10
x destroy first || fail "xl destroy failed"
guest_create second
wait_up second
x destroy second || fail "xl destroy failed"
