# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# What scenarios that measure are written with. Each figure is said as "figure
# NAME VALUE UNIT"; what limits it as "limit NAME VALUE TEXT". $suffix is .qemu
# while stock QEMU is measured.

# Hundredths of a second since the host's start, without a process.
clock() {
	read -r up _ </proc/uptime
	ticks=${up%.*}${up#*.}
}

figure() { say "figure $1$suffix $2 $3"; }
limit() { say "limit $1 $2 $3"; }

# timed COMMAND...: its duration in ms, in $ms.
timed() {
	clock
	start=$ticks
	"$@"
	clock
	ms=$(((ticks - start) * 10))
}

wrapper() {
	cat >"$guests/dm-$1" <<-END
	#!/bin/sh
	read -r up _ </proc/uptime
	echo "\$up" >$guests/exec-time
	exec $2 "\$@"
	END
	chmod 755 "$guests/dm-$1"
}

memory_of() { awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/smaps_rollup"; }

# cpu_ms PID: what all its threads have had of the processors.
cpu_ms() {
	cat "/proc/$1"/task/*/schedstat |
		awk '{ ns += $1 } END { printf "%.1f", ns / 1e6 }'
}

# figures_of NAME PROGRAM [WORD]...: what make bench measures without Xen, on this
# guest.
figures_of() {
	name=$1 program=$2
	shift 2
	"$program" "$(domid "$name")" "$@" >"$guests/figures" || fail "$program failed"
	while IFS=$(printf '\t') read -r name value unit why bound _; do
		figure "$name" "$value" "$unit"
		limit "$name" "$bound" "$why"
	done <"$guests/figures"
}
