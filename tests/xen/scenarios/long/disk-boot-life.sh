# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 2400
# disks: yes
# A guest that the BIOS boots from its emulated disk runs on its PV disk: files and
# load through a save, a migration and a reboot through the BIOS.
. /xt/disks.sh

fresh_disk deb
bios_guest deb "$image"
wait_login deb 600
disk_life deb xvda 600
