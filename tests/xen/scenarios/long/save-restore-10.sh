# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# Ten rounds in a row; count and memory compared in each.
. /xt/lib.sh

shared_guest
fill_memory shared
for round in 1 2 3 4 5 6 7 8 9 10; do
	save_and_restore shared
	same_memory shared
	say "round $round of 10"
done
