# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# not-qemu: what stock QEMU says is its own affair
# Half a device-model state is refused, in one line, and nothing hangs.
. /xt/lib.sh

saved_guest
cut_dm_state "$guests/shared.save" "$guests/cut.save"
refused shared "$guests/cut.save"
restored_guest
