# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 3000
# Measures xenram-dm and stock QEMU in turn, on the same guest.
. /xt/lib.sh
. /xt/measure.sh

rounds=${BENCH_ROUNDS:-3}
mb=256

# Notes when the device model of any domain reports readiness.
watch_ready() {
	xenstore-watch /local/domain/0/device-model 2>/dev/null |
		while read -r path; do
			case $path in
			*/state) clock; echo "$ticks" >"$guests/ready-time" ;;
			esac
		done
}

ready_ms() {
	at=$(cat "$guests/exec-time")
	echo $((($(cat "$guests/ready-time") - ${at%.*}${at#*.}) * 10))
}

up_quickly() { grep -aq '^guest: userspace up' "$guests/$1.serial"; }

userspace() {
	x create "$guests/$1.cfg" || fail "xl create failed"
	until up_quickly "$1"; do
		sleep 0.05
		[ "$(now)" -lt "$give_up" ] || fail "the guest does not start"
	done
}

state_size() {
	at=$(dm_state_at "$1") || exit 1
	echo $(($(u32_at "$1" $((at - 12))) - 8))
}

down_ms() {
	guest_cmd bench "gap stop"
	reply=$(wait_line bench '^guest: gap [0-9]' 60) || exit 1
	reply=${reply#guest: gap }
	echo "${reply%% *}"
}

processes() {
	pid=$(dm_pid bench)
	figure dm.pss "$(memory_of "$pid" Pss)" kB
	figure dm.private_dirty "$(memory_of "$pid" Private_Dirty)" kB
	figure dm.threads "$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")" threads
	figure dm.ready "$(ready_ms)" ms
}

# What of a save and of a restore is the device model's.
shares() {
	pid=$(dm_pid bench)
	before=$(cpu_ms "$pid")
	timed x save -c bench "$guests/bench.save"
	figure dm.save.cpu "$(echo "$(cpu_ms "$pid") $before" |
		awk '{ print $1 - $2 }')" ms
	limit dm.save.cpu$suffix "$ms" "the whole save"
	x destroy bench
	timed x restore "$guests/bench.save"
	figure dm.restore.cpu "$(cpu_ms "$(dm_pid bench)")" ms
	limit dm.restore.cpu$suffix "$ms" "the whole restore"
	count_now bench >/dev/null
}

saving() {
	timed x save bench "$guests/bench.save"
	figure guest.save "$ms" ms
	figure state.size "$(state_size "$guests/bench.save")" bytes
	timed x restore "$guests/bench.save"
	figure guest.restore "$ms" ms
	count_now bench >/dev/null
	rm "$guests/bench.save"
}

migrating() {
	guest_cmd bench "gap start"
	count_now bench >/dev/null
	count_now bench >/dev/null
	migrate bench
	figure guest.migrate.downtime "$(down_ms)" ms
}

# starting NAME FIGURE DM [KEY=VALUE]...: a new guest, and what it took.
starting() {
	name=$1 called=$2 dm=$3
	shift 3
	guest_unfollow "$name"
	rm -f "$guests/$name".*
	guest_config "$name" memory=$mb \
		"device_model_override=\"$guests/dm-$dm\"" "$@"
	guest_follow "$name"
	give_up=$(($(now) + 300 * PATIENCE))
	timed userspace "$name"
	figure "$called" "$ms" ms
	count_now "$name" >/dev/null
	limit "$called" "$(guest_ask "$name" started '^guest: started' 30 |
		tr -d .)0" "the guest's own start, by its clock"
}

# Half of the memory that it may have: the rest is populated on demand.
on_demand() {
	starting pod guest.userspace.pod "$1" maxmem=$((2 * mb))
	x destroy pod
}

# What a guest is for last: it stays paused, with more memory allowed.
resizes() {
	x pause bench || fail "xl pause failed"
	x mem-max bench $((mb + 300)) || fail "xl mem-max failed"
	figures_of bench ram-bench
}

one_round() {
	on_demand "$1"
	starting bench guest.userspace "$1"
	processes
	[ -n "$suffix" ] || figures_of bench mapcache-bench
	shares
	saving
	migrating
	[ -n "$suffix" ] || resizes
	x destroy bench
}

handed_over() { sed -n 's/.*handed over in \([0-9.]*\) ms.*/\1/p' "$(dm_log hand)"; }
was_handed_over() { [ -n "$(handed_over)" ]; }

# Kernel and ramdisk into guest memory, beside a program that only maps and
# copies as many bytes.  Both take less than a slice of the scheduler, so dom0
# has to be done with the creation first.
hand_over() {
	guest_config hand memory=$mb 'device_model_args_hvm=["-xenram-debug"]' \
		"device_model_override=\"$guests/dm-xenram\""
	guest_create hand -p
	ms=$(map-copy "$(domid hand)" 0x2000000 /xt/guest/vmlinuz \
		/xt/guest/initrd) || fail "map-copy failed"
	limit dm.handover "$ms" "mapping and copying as many bytes"
	x unpause hand
	must "no kernel was handed over" within 60 was_handed_over
	figure dm.handover "$(handed_over)" ms
	x destroy hand
}

handing_over() {
	for _ in 1 2 3; do
		hand_over
	done
}

many_starts() { for _ in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done; }
copy() { head -c $((mb * 1048576)) /dev/zero >"$guests/copy"; }

limits() {
	sleep 60 &
	limit dm.pss "$(memory_of $! Pss)" "a process that sleeps"
	limit dm.private_dirty "$(memory_of $! Private_Dirty)" "a process that sleeps"
	kill $!
	limit dm.threads 1 "one thread"
	timed many_starts
	limit dm.ready $((ms / 10)) "start of a process that exits"
	timed copy
	limit guest.save "$ms" "writing the guest's memory to a file"
	timed cat "$guests/copy" >/dev/null
	limit guest.restore "$ms" "reading the guest's memory from a file"
	rm "$guests/copy"
}

wrapper xenram /usr/libexec/xenram-dm
wrapper qemu /usr/libexec/xen-qemu-system-i386
watch_ready &
suffix=
limits
round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	suffix=
	say "round $round of $rounds, xenram-dm"
	handing_over
	one_round xenram
	suffix=.qemu
	say "round $round of $rounds, stock QEMU"
	one_round qemu
done
