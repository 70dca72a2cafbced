# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
. /xt/lib.sh

shared_guest
id=$(domid shared)
pid=$(dm_pid shared)
guest_cmd shared reboot
wait_up shared
must "the domain is the old one" test "$(domid shared)" != "$id"
must "the old device model is still there" test ! -e "/proc/$pid"
