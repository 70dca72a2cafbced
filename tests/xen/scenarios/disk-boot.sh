# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1200
# disks: yes
# A guest boots from its emulated disk to a login prompt, unplugs the disk and
# runs on its PV disk; what it wrote is there after a restore.
. /xt/disks.sh

fresh_disk deb
bios_guest deb "$(as_device "$image")"
wait_login deb 600
runs_on deb xvda
write_file deb first
save_and_restore deb
same_file deb first
x destroy deb || fail "xl destroy failed"
