# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# disks: yes
# A guest whose root is on a PV disk in an image file: what it writes is there
# after a restore, a migration and a reboot.
. /xt/disks.sh

fresh_disk deb
disk_guest deb "$image"
wait_login deb
serves_pv deb 1
disk_life deb xvda
