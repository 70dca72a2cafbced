# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# Five live migrations in a row; count and memory compared in each.
. /xt/lib.sh

one_round() {
	migrate shared
	same_memory shared
}

shared_guest
fill_memory shared
rounds 5 one_round
