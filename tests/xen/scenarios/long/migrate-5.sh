# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# Five live migrations in a row; count and memory compared in each.
. /xt/lib.sh

shared_guest
fill_memory shared
for round in 1 2 3 4 5; do
	migrate shared
	same_memory shared
	say "round $round of 5"
done
