# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
. /xt/lib.sh

shared_guest
id=$(domid shared)
guest_mark shared
x reboot shared || fail "xl reboot failed"
wait_up shared
must "the domain is the old one" test "$(domid shared)" != "$id"
