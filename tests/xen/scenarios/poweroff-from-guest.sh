# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# last: the shared guest is gone afterwards
. /xt/lib.sh

shared_guest
pid=$(dm_pid shared)
guest_cmd shared poweroff
must "the domain is still there" within 60 gone shared
must "the device model is still there" within 15 test ! -e "/proc/$pid"
