# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# A saved guest goes on where it was, with its memory intact.
. /xt/lib.sh

shared_guest
fill_memory shared
save_and_restore shared
same_memory shared
