# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 2400
# disks: yes
# The same with a guest that keeps the emulated disk it booted from.
. /xt/disks.sh

fresh_disk deb
boot_without_unplug "$image"
bios_guest deb "$(as_device "$image")"
wait_login deb 600
disk_life deb sda 600
