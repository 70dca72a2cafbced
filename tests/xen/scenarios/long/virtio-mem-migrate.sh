# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# not-qemu: it has no memory devices on Xen
# A guest without messages (MSI) has two virtio-mem devices. It takes what both
# have given it through a live migration, loads its driver anew, and starts
# without after a reboot.
. /xt/lib.sh

virtio_mem_guest vms "$(virtio_mem 0 128M),$(virtio_mem 1 128M)" pci=nomsi
guest_create vms
wait_up vms
virtio_mem_begin vms
virtio_mem_drivers vms
plug vms 64
plug vms 192
fill_memory vms
migrate vms
plugged vms 192
same_memory vms
plug vms 256
plug vms 32

forget_memory vms
plug vms 0
guest_ask vms "run rmmod virtio_mem" '^guest: run 0' 60 >/dev/null
virtio_mem_drivers vms
plug vms 128

guest_cmd vms reboot
wait_up vms
plugged vms 0
virtio_mem_drivers vms
plug vms 128
