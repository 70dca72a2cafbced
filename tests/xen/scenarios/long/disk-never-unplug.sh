# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1200
# disks: yes
# A guest that keeps its emulated disk: all I/O stays there.
. /xt/disks.sh

fresh_disk deb
disk_guest deb "$(as_device "$image")" "$emulated"
wait_login deb
disk_life deb sda
