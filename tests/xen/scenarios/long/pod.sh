# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# not-qemu: xenram's map cache is what is tested
# A guest with less memory than it may have: what it has not used yet is
# populated on demand, also by who maps it.
. /xt/lib.sh

stamps=512

guest_config pod memory=128 maxmem=256
guest_create pod
wait_up pod
pages=$(pages_of pod)
note "$pages pages"
[ "$pages" -lt $((136 * 256)) ] || fail "$pages pages for 128 MB"
stamp pod 1 $stamps
walker_start pod 256 256
walker_finds pod 1 $stamps
# The other half as well.
balloon pod 192
stamp pod 2 $stamps
walker_finds pod 2 $stamps
walker_ends
count_now pod >/dev/null
