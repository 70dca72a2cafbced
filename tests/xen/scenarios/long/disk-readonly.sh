# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# disks: yes
# A guest can read from a disk that is read-only, and cannot write to it.
. /xt/disks.sh

empty_image root 16
head -c 16777216 /dev/urandom >"$guests/fixed.raw"
sum=$(sha256sum <"$guests/fixed.raw" | cut -d' ' -f1)
data_guest ro "$(disk_key "$guests/root.raw" xvda),$(disk_key "$guests/fixed.raw" xvde ro)"
has ro xvde
serves_pv ro 2
must "the guest reads something else" \
	test "$(guest_ask ro "digest xvde" '^guest: digest' 60)" = "$sum"
guest_cmd ro "load start /dev/xvde 0 16"
load_fails ro 'Operation not permitted'
must "the guest wrote" \
	test "$(sha256sum <"$guests/fixed.raw" | cut -d' ' -f1)" = "$sum"
dm_lives ro
x destroy ro || fail "xl destroy failed"
