# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# Ten rounds in a row; count and memory compared in each.
. /xt/lib.sh

one_round() {
	save_and_restore shared
	same_memory shared
}

shared_guest
fill_memory shared
rounds 10 one_round
