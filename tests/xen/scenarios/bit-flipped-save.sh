# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# not-qemu: what stock QEMU says is its own affair
# A damaged device-model state is refused, in one line, and nothing hangs.
. /xt/lib.sh

saved_guest
at=$(dm_state_at "$guests/shared.save") || exit 1
for place in 0 6 64; do
	flip_bit "$guests/shared.save" $((at + place))
	note "a bit at $place flipped"
	refused shared "$guests/shared.save"
	flip_bit "$guests/shared.save" $((at + place))
done
restored_guest
