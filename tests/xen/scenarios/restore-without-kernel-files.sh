# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# not-qemu: stock QEMU reads the kernel's files again
# A restored guest needs neither its kernel nor its ramdisk file.
. /xt/lib.sh

shared_guest
trap 'mv /xt/guest.away /xt/guest' EXIT
trap 'exit 1' TERM
mv /xt/guest /xt/guest.away
save_and_restore shared
