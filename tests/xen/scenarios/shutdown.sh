# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# A guest with four vCPUs and 1 GiB, and xl shutdown.
. /xt/lib.sh

guest_config down vcpus=4 memory=1024
guest_create down
wait_up down
sees down 1024 4
pid=$(dm_pid down)
x shutdown -w down || fail "xl shutdown failed"
must "the domain is still there" within 30 gone down
must "the device model is still there" within 15 test ! -e "/proc/$pid"
