# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# disks: yes
# A guest whose root is on a PV disk that dom0's kernel serves: what it writes is there
# after a restore, a migration and a reboot.
. /xt/disks.sh

fresh_disk deb
disk_guest deb "$(as_device "$image")"
wait_login deb
disk_life deb xvda
