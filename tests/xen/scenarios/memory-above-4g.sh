# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# host-mem: 8192
# RAM on both sides of the hole below 4 GiB.
. /xt/lib.sh

guest_config big memory=4352
guest_create big
wait_up big
sees big 4352 1
