# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# Live, to the same host.
. /xt/lib.sh

shared_guest
fill_memory shared
migrate shared
same_memory shared
