# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# A configuration that names the device model, a kernel and nothing else; the
# smallest guest, with one vCPU.
. /xt/lib.sh

guest_config plain -vga -vnc -vkb_device -vcpus \
	-hpet -timer_mode -type 'builder="hvm"' memory=128
guest_create plain
wait_up plain
sees plain 128 1
