# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1200
# not-qemu: it has no memory devices on Xen
# Measures how long a guest takes to be given 896 MiB by a virtio-mem device and
# to give them back, what of that is the device model's, and what the plain calls
# take for as much.
. /xt/lib.sh
. /xt/measure.sh

rounds=${BENCH_ROUNDS:-3}

# share NAME MB
share() {
	before=$(cpu_ms "$pid")
	timed must "the guest did not follow to $2 MB" xenram plug "$(domid vm)" "$2"
	used=$(echo "$before $(cpu_ms "$pid")" | awk '{ printf "%.0f", $2 - $1 }')
	figure "memory.$1" "$ms" ms
	figure "memory.$1.dm" "$used" ms
	limit "memory.$1" $((ms - used)) "without the device model's share"
}

# raw FIGURE: what the plain calls take for 896 MiB, in ms.
raw() { awk -F '\t' -v n="$1" '$1 == n { printf "%.0f", $5 * 3.5 / 1e6 }' "$guests/figures"; }

suffix=
room=896
virtio_mem_guest vm "$(virtio_mem 0 896M)"
guest_create vm
wait_up vm
virtio_mem_begin vm
virtio_mem_drivers vm
pid=$(dm_pid vm)
round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	say "round $round of $rounds"
	share plug 896
	plugged vm 896
	share unplug 0
	plugged vm 0
	figures_of vm ram-bench plug
	limit memory.plug.dm "$(raw ram.plug.65536)" "populate, map, memset and unmap"
	limit memory.unplug.dm "$(raw ram.unplug.65536)" "decrease"
done
