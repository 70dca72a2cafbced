# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# other-host: same
# host-mem: 2560
# Live, to another host and back; count and memory compared in each.
. /xt/joined.sh

runs || return
hosts_meet
full_guest g1
migrate_there g1
over_there same_memory g1
over_there migrate_there g1
same_memory g1
