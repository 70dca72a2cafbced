# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# disks: yes
# CDs come and go in the drive of a running guest, and through a restore.
. /xt/disks.sh

small_cd() { head -c $(($2 * 1048576)) /dev/urandom >"$guests/$1.iso"; }

small_cd first 3
small_cd second 2
data_guest tray "$(cd_key "$guests/first.iso")"
cd_is tray "$guests/first.iso"
x cd-eject tray hdc || fail "xl cd-eject failed"
no_cd tray
x cd-insert tray hdc "$guests/second.iso" || fail "xl cd-insert failed"
cd_is tray "$guests/second.iso"
save_and_restore tray
cd_is tray "$guests/second.iso"
x cd-insert tray hdc "$guests/first.iso" || fail "xl cd-insert failed"
cd_is tray "$guests/first.iso"
x destroy tray || fail "xl destroy failed"
