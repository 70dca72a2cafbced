# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# Ten live migrations in a row of a guest that writes memory all the time.
. /xt/lib.sh

shared_guest
busy_start shared
rounds 10 migrate shared
busy_end shared 10
