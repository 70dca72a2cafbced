# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# disks: yes
# A guest with two image files as PV disks writes to both through a restore and
# a migration.
. /xt/disks.sh

empty_image one 32
empty_image two 12
data_guest two "$(disk_key "$guests/one.raw" xvda),$(disk_key "$guests/two.raw" xvdb)"
has two xvdb
serves_pv two 2
write_raw two xvdb
load_start two /dev/xvda 0 32
save_and_restore two
same_raw two xvdb
migrate two
serves_pv two 2
same_raw two xvdb
load_end two 10
must "dom0 sees something else in the image" \
	test "$(sha256sum <"$guests/two.raw" | cut -d' ' -f1)" = "$raw_sum"
x destroy two || fail "xl destroy failed"
