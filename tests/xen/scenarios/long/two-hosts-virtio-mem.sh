# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1500
# other-host: same
# host-mem: 2560
# not-qemu: it has no memory devices on Xen
# Live, to another host and back, with what two virtio-mem devices have given a
# guest; there it is given more.
. /xt/joined.sh

runs || return
hosts_meet
virtio_mem_guest vms "$(virtio_mem 0 128M),$(virtio_mem 1 128M)"
guest_create vms
wait_up vms
virtio_mem_begin vms
virtio_mem_drivers vms
plug vms 192
fill_memory vms
before="mem_before=$mem_before; pages_before=$pages_before"
migrate_there vms
over_there "$before; plugged vms 192"
over_there same_memory vms
over_there "$before; plug vms 256"
over_there migrate_there vms
plugged vms 256
same_memory vms
forget_memory vms
plug vms 64
