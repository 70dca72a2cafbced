# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1000
# xen: 4.17
# other-host: 4.20
# host-mem: 2560
# Live, to a host with a newer Xen; count and memory compared.
. /xt/joined.sh

runs || return
hosts_meet
full_guest g1
migrate_there g1
over_there same_memory g1
