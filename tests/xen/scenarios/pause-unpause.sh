# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
. /xt/lib.sh

shared_guest
x pause shared || fail "xl pause failed"
guest_mark shared
sleep 4
must_fail "a paused guest counts" has_line shared '^guest: count'
x unpause shared || fail "xl unpause failed"
wait_line shared '^guest: count' 20
