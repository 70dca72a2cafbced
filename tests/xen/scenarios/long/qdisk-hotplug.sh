# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# disks: yes
# PV disks come and go while the guest runs.
. /xt/disks.sh

attach() {
	x block-attach hot "$(disk_spec "$1" "$2")" ||
		fail "xl block-attach failed"
	has hot "$2"
}

detach() {
	x block-detach hot "$1" || fail "xl block-detach failed"
	reply=$(guest_ask hot "gone $1 30" '^guest: gone' 60) || exit 1
	[ "$reply" = yes ] || fail "the guest still has $1"
}

empty_image one 8
empty_image two 32
empty_image root 16
data_guest hot "$(disk_key "$guests/root.raw" xvda)"
attach "$guests/one.raw" xvdb
attach "$guests/two.raw" xvdc
serves_pv hot 3
load_start hot /dev/xvdc 0 32
write_raw hot xvdb
detach xvdb
must "dom0 sees something else in the image" \
	test "$(sha256sum <"$guests/one.raw" | cut -d' ' -f1)" = "$raw_sum"
attach "$guests/one.raw" xvdd
same_raw hot xvdd
load_end hot 10
detach xvdc
detach xvdd
dm_lives hot
x destroy hot || fail "xl destroy failed"
