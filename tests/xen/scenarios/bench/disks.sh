# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 3000
# disks: yes
# Measures the disks of xenram-dm and of stock QEMU in turn, on the same block
# device. The guest goes past its page cache; dom0 has all of it in memory.
. /xt/disks.sh
. /xt/measure.sh

rounds=${BENCH_ROUNDS:-3}

# Also what threads that have ended needed.
process_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"; }

# speed_of FIGURE DISK read|write seq|random KB: what a guest gets, and what its
# device model needs for it.
speed_of() {
	called=$1
	shift
	before=$(process_ms "$pid")
	guest_cmd bench "disk-load speed /dev/$1 0 64 $2 $3 $4 4"
	reply=$(wait_line bench '^guest: disk-load speed [0-9]' 120) || exit 1
	reply=${reply#guest: disk-load speed }
	mb_s=$(echo "$reply" | awk '{ printf "%.2f", $1 / 1000 / $2 }')
	cpu=$(echo "$reply $before $(process_ms "$pid")" |
		awk '{ printf "%.2f", ($4 - $3) / ($1 / 1e6) }')
}

# speeds KIND DISK: with what to do with each figure in $report.
speeds() {
	for way in "read seq 1024" "write seq 1024" "read random 4" "write random 4"; do
		# shellcheck disable=SC2086
		set -- "$1" "$2" $way
		speed_of "$@"
		"$report" "disk.$1.$3.$4"
	done
}

dm_figures() {
	figure "$1" "$mb_s" MB/s
	figure "$1.cpu" "$cpu" ms/MB
}

dm_memory() {
	load_start bench "/dev/$2" 0 64
	count_now bench >/dev/null
	count_now bench >/dev/null
	figure "disk.$1.pss" "$(memory_of "$pid" Pss)" kB
	load_end bench
}

# disks_of DM KIND DISK BACKEND [KEY=VALUE]
disks_of() {
	dm=$1 kind=$2 disk=$3 backend=$4
	shift 4
	data_guest bench \
		"'format=raw,vdev=xvda,access=rw,backendtype=$backend,target=$device'" \
		"device_model_override=\"$guests/dm-$dm\"" "$@"
	has bench "$disk"
	pid=$(dm_pid bench)
	speeds "$kind" "$disk"
	[ "$report" != dm_figures ] || dm_memory "$kind" "$disk"
	x destroy bench
	guest_unfollow bench
	rm -f "$guests"/bench.*
}

# What the kernel of dom0 does without a device model.
kernel_limit() {
	for kind in ide qdisk; do
		limit "${1%%.*}.$kind.${1#*.*.}" "$mb_s" "the kernel's backend"
	done
}

login_prompt() {
	x create "$guests/deb.cfg" || fail "xl create failed"
	within 300 asks_for_login deb || fail "no login"
}

login_time() {
	fresh_disk deb
	guest_config deb -kernel -ramdisk -cmdline memory=192 'boot="c"' \
		"disk=[$(disk_key "$image" xvda)]" \
		"device_model_override=\"$guests/dm-$1\""
	guest_follow deb
	timed login_prompt
	figure disk.login "$ms" ms
	x destroy deb
	guest_unfollow deb
	rm -f "$guests"/deb.*
}

one_round() {
	login_time "$1"
	report=dm_figures
	disks_of "$1" ide sda phy "$emulated"
	disks_of "$1" qdisk xvda qdisk
}

wrapper xenram /usr/libexec/xenram-dm
wrapper qemu /usr/libexec/xen-qemu-system-i386
head -c 67108864 /dev/zero >"$guests/data.raw"
device=$(as_device "$guests/data.raw")
suffix=
report=kernel_limit
disks_of qemu phy xvda phy
round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	suffix=
	say "round $round of $rounds, xenram-dm"
	one_round xenram
	suffix=.qemu
	say "round $round of $rounds, stock QEMU"
	one_round qemu
done
