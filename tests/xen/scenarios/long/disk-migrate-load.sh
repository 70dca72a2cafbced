# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1800
# disks: yes
# Five live migrations of a guest that writes and compares all the time.
. /xt/disks.sh

fresh_disk deb
disk_guest deb "$image"
wait_login deb
load_start deb
rounds 5 migrate deb
load_end deb 50
