# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# What scenarios are written with. They run in dom0; the first thing that
# fails ends the scenario.

guests=/scratch/guests
logs=/scratch/logs
cr=$(printf '\r')

note() { echo "--- $(cut -d' ' -f1 /proc/uptime) $*"; }
say() { echo "@ say $*" >"$REPORT"; }
fail() { note "FAILED: $*"; echo "$*" >"$logs/reason"; kill "$$"; exit 1; }
skip() { echo "$*" >"$logs/reason"; exit 77; }

now() { cut -d. -f1 /proc/uptime; }

# xl with a time limit and its words in the log.
x() {
	note "xl $*"
	timeout $((150 * PATIENCE)) xl "$@" || return
	note "done"
}

# must DESCRIPTION COMMAND...: fails the scenario when COMMAND does.
must() {
	what=$1
	shift
	"$@" || fail "$what"
}

# must_fail DESCRIPTION COMMAND...: the contrary.
must_fail() {
	what=$1
	shift
	if "$@"; then fail "$what"; fi
}

# within SECONDS COMMAND...: repeats COMMAND till it succeeds.
within() {
	deadline=$(($(now) + $1 * PATIENCE))
	shift
	until "$@"; do
		[ "$(now)" -lt "$deadline" ] || return 1
		sleep 0.3
	done
}

# A guest's kernel says nothing but that it dies: all else would come in the middle
# of other lines.
kernel_words="console=ttyS0 loglevel=2 mitigations=off pci=noearly"

# On a processor that lags, making up for missed ticks would take all of it.
default_keys() {
	cat <<-END
	name="$1"
	type="hvm"
	memory=128
	vcpus=1
	kernel="/xt/guest/vmlinuz"
	ramdisk="/xt/guest/initrd"
	cmdline="$kernel_words"
	serial="pty"
	vga="none"
	vnc=0
	vkb_device=0
	hpet=0
	timer_mode="no_missed_ticks_pending"
	device_model_override="$DM"
	device_model_version="qemu-xen"
	END
}

# guest_config NAME [KEY=VALUE | -KEY]...: writes the xl.cfg of a guest; a key
# replaces the default, -key leaves it out.
guest_config() {
	name=$1
	shift
	default_keys "$name" >"$guests/$name.cfg"
	for kv; do
		key=${kv%%=*}
		key=${key#-}
		sed -i "/^$key=/d" "$guests/$name.cfg"
		case $kv in
		-*) ;;
		*) echo "$kv" >>"$guests/$name.cfg" ;;
		esac
	done
}

guest_follow() {
	: >>"$guests/$1.serial"
	if [ ! -e "$guests/$1.follower" ]; then
		setsid sh /xt/follow "$1" >/dev/null 2>&1 &
		echo $! >"$guests/$1.follower"
	fi
}

guest_unfollow() {
	[ -e "$guests/$1.follower" ] || return 0
	kill -- "-$(cat "$guests/$1.follower")" 2>/dev/null
	rm -f "$guests/$1.follower"
}

# guest_create NAME [xl option]...
guest_create() {
	name=$1
	shift
	guest_follow "$name"
	x create "$@" "$guests/$name.cfg" || fail "xl create failed"
}

domid() { xl domid "$1" 2>/dev/null; }
exists() { domid "$1" >/dev/null; }
gone() { ! exists "$1"; }

dm_pid() { xenstore-read "/local/domain/$(domid "$1")/image/device-model-pid"; }
dm_log() { echo "/var/log/xen/qemu-dm-$1.log"; }

# Serial output before the mark is not looked at again.
guest_mark() { wc -c <"$guests/$1.serial" >"$guests/$1.mark"; }

serial_since_mark() {
	skip_bytes=$(cat "$guests/$1.mark" 2>/dev/null)
	tail -c "+$((${skip_bytes:-0} + 1))" "$guests/$1.serial"
}

# A line counts once its end has arrived.
lines_like() { serial_since_mark "$1" | grep -a -e "$2.*$cr\$"; }
has_line() { lines_like "$@" >/dev/null; }

has_either() { has_line "$1" "$2" || has_line "$1" "$3"; }

# last_words GUEST: what it has said since the mark, the counting apart.
last_words() {
	said=$(serial_since_mark "$1" | grep -av '^guest: count' | tail -n 2 |
		tr '\n' ' ' | tr -cd ' -~')
	echo "it said ${said:-nothing else} and counted $(serial_since_mark "$1" |
		grep -ac '^guest: count') times"
}

# wait_line GUEST PATTERN SECONDS [END]: waits for a line since the mark, prints it.
# One like END, or a panic, ends it all.
wait_line() {
	end="Kernel panic${4:+\\|$4}"
	within "$3" has_either "$1" "$2" "$end" ||
		fail "guest $1: no \"$2\" on the serial console within $3 s; $(last_words "$1")"
	has_line "$1" "$2" ||
		fail "guest $1: no \"$2\", but $(lines_like "$1" "$end" | head -n 1 | tr -cd ' -~')"
	lines_like "$1" "$2" | tail -n 1 | tr -d '\r'
}

wait_up() {
	wait_line "$1" '^guest: userspace up' "${2:-240}"
	note "guest $1 is up"
}

# guest_cmd GUEST TEXT: types a line on the guest's serial console.
guest_cmd() {
	guest_mark "$1"
	printf '%s\n' "$2" >"$(cat "$guests/$1.tty")"
}

# guest_ask GUEST TEXT PATTERN SECONDS: the reply's last word, of a guest that has
# not started anew meanwhile.
guest_ask() {
	guest_cmd "$1" "$2"
	reply=$(wait_line "$1" "$3" "$4" '^guest: userspace up') || exit 1
	echo "${reply##* }"
}

count_now() {
	guest_mark "$1"
	reply=$(wait_line "$1" '^guest: count [0-9]' "${2:-30}") || exit 1
	echo "${reply##* }"
}

# Is it the console of the domain that the guest is now that is read, and that
# guest_cmd would type on?
follows() { [ "$(cat "$guests/$1.domid" 2>/dev/null)" = "$(domid "$1")" ]; }

# goes_on GUEST COUNT: the guest has counted further than COUNT, and from
# there, not from the start.
goes_on() {
	must "nobody reads the console of guest $1" within 30 follows "$1"
	further=$(count_now "$1") || exit 1
	note "count was $2, is $further"
	[ "$further" -gt "$2" ] || fail "guest $1 counts from the start: $2, then $further"
}

fill_memory() {
	guest_ask "$1" fill '^guest: filled' 120
	sum_before=$(guest_ask "$1" sum '^guest: sum [0-9a-f]' 120) || exit 1
}

# What fill_memory wrote leaves a small guest no memory to give back.
forget_memory() {
	guest_ask "$1" "run rm /tmp/fill" '^guest: run 0' 60 >/dev/null
}

same_memory() {
	sum_after=$(guest_ask "$1" sum '^guest: sum [0-9a-f]' 120) || exit 1
	[ "$sum_before" = "$sum_after" ] ||
		fail "memory of $1 differs: sum was $sum_before, is $sum_after"
}

save_and_restore() {
	count=$(count_now "$1") || exit 1
	x save "$1" "$guests/$1.save" || fail "xl save failed"
	must "the domain is still there" gone "$1"
	guest_mark "$1"
	x restore "$guests/$1.save" || fail "xl restore failed"
	goes_on "$1" "$count"
}

migrate() {
	count=$(count_now "$1") || exit 1
	id=$(domid "$1")
	x migrate -s "" "$1" "xl migrate-receive" || fail "xl migrate failed"
	must "the domain is the old one" test "$(domid "$1")" != "$id"
	goes_on "$1" "$count"
}

# sees GUEST MB CPUS: the guest has found its memory and its processors.
sees() {
	kb=$(guest_ask "$1" mem '^guest: mem [0-9]' 60) || exit 1
	cpus=$(guest_ask "$1" cpus '^guest: cpus [0-9]' 60) || exit 1
	note "$1: $kb kB of $2 MB, $cpus processors of $3"
	[ "$kb" -gt $(($2 * 1024 / 2)) ] || fail "the guest sees $kb kB of $2 MB"
	[ "$cpus" = "$3" ] || fail "the guest sees $cpus processors of $3"
}

# Megabytes that Xen has left.
free_mb() { xl info | awk '/^free_memory/ { print $3 }'; }

# pages_of GUEST: pages that Xen charges to it.
pages_of() {
	xl debug-keys q
	xl dmesg | awk -v head="General information for domain $(domid "$1"):" '
	index($0, head) { here = 1 }
	here && match($0, /nr_pages=[0-9]+/) {
		pages = substr($0, RSTART + 9, RLENGTH - 9)
		here = 0
	}
	END { print pages }'
}

# balloon GUEST MB: has the guest's balloon driver come to MB; how many kB it
# then says that the guest has is left in $balloon_kb.
balloon() {
	balloon_kb=$(guest_ask "$1" "balloon 0" '^guest: balloon [0-9]' 60) || exit 1
	x mem-set "$1" "$2" || fail "xl mem-set failed"
	balloon_kb=$(guest_ask "$1" "balloon $balloon_kb" '^guest: balloon [0-9]' 200) || exit 1
	note "the balloon of $1 left it $balloon_kb kB"
}

# virtio_mem NR SIZE: options of a device of that size.
virtio_mem() {
	echo "\"-object\",\"memory-backend-ram,id=m$1,size=$2\",\"-device\",\"virtio-mem-pci,id=vm$1,memdev=m$1\""
}

# virtio_mem_guest NAME OPTIONS [PARAMETER]: the xl.cfg of a guest with 128 MB of
# RAM and room for $room more, or 256. Its balloon driver keeps virtio-mem's from
# working; and Linux 6.1 does not let itself be suspended while it has
# virtio-mem's: there it goes without Xen's drivers altogether.
virtio_mem_guest() {
	alone=initcall_blacklist=balloon_init
	[ "$XEN" != 4.17 ] || alone=xen_nopv
	guest_config "$1" memory=$((128 + ${room:-256})) videoram="${room:-256}" \
		"cmdline=\"$kernel_words $alone memhp_default_state=online_movable ${3:-}\"" \
		"device_model_args_hvm=[$2]"
}

# virtio_mem_begin NAME: what it has before anything is plugged; where its first
# device is in $base.
virtio_mem_begin() {
	mem_before=$(guest_ask "$1" mem '^guest: mem [0-9]' 60) || exit 1
	pages_before=$(pages_of "$1")
	base=$(($(sed -n 's/.*memory device.* at \(0x[0-9a-f]*\).*/\1/p' "$(dm_log "$1")" | head -n 1)))
}

virtio_mem_drivers() {
	guest_ask "$1" drivers '^guest: drivers loaded' 60 >/dev/null
}

# has_memory NAME MB: Linux and Xen both count that much beside the RAM.
has_memory() {
	mem=$(guest_ask "$1" mem '^guest: mem [0-9]' 60) || exit 1
	pages=$(pages_of "$1")
	note "$1 has $((mem - mem_before)) kB and $((pages - pages_before)) pages more"
	[ "$mem" = $((mem_before + $2 * 1024)) ] &&
		[ "$pages" = $((pages_before + $2 * 256)) ]
}

# plugged NAME MB
plugged() {
	must "$1 does not have $2 MB of its devices" within 20 has_memory "$1" "$2"
}

# plug NAME MB: gives it that much beside its RAM.
plug() {
	note "plug $1 $2"
	must "$1 did not follow to $2 MB" xenram plug "$(domid "$1")" "$2"
	plugged "$1" "$2"
}

# stamp GUEST ROUND NR: the guest writes NR pages that walker_finds finds.
stamp() { guest_ask "$1" "stamp $2 $3" '^guest: stamped' 120 >/dev/null; }

# walker_start GUEST MB BUDGET: mapcache-walk in the background.
walker_start() {
	rm -f /run/walker.in
	mkfifo /run/walker.in
	mapcache-walk "$(domid "$1")" "$2" "$3" </run/walker.in \
		>"$guests/walker.out" 2>&1 &
	walker=$!
	exec 3>/run/walker.in
}

# walker_ends: its input ends, it finds no fault and leaves nothing mapped.
walker_ends() {
	exec 3>&-
	status=0
	wait "$walker" || status=$?
	note "the walker says:"
	tail -n 40 "$guests/walker.out"
	[ "$status" = 0 ] ||
		fail "the walker ended with $status: $(tail -n 1 "$guests/walker.out")"
}

# Pages that its last walk found to be there.
walker_pages() {
	sed -n 's/^walk [0-9]*: \([0-9]*\) pages.*/\1/p' "$guests/walker.out" |
		tail -n 1
}

# walker_finds GUEST ROUND NR: the walker finds each page of the round, and the
# guest finds the walker's mark in each.
walker_finds() {
	echo "find $2 $3" >&3
	within 300 grep -q "^found $3 of round $2\$" "$guests/walker.out" ||
		fail "the walker says $(tail -n 1 "$guests/walker.out")"
	seen=$(guest_ask "$1" "seen $2" '^guest: seen [0-9]' 60) || exit 1
	[ "$seen" = "$3" ] || fail "the guest sees $seen marks of $3 in round $2"
}

byte_at() { od -An -t u1 -j "$2" -N 1 "$1" | tr -d ' '; }
u32_at() { od -An -t u4 -j "$2" -N 4 "$1" | tr -d ' '; }
put_u32() {
	# shellcheck disable=SC2059
	printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) \
		$(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}

# dm_state_at FILE: where the device model's state begins in a saved guest.
# It is the last record but one, and starts with QEVM.
dm_state_at() {
	size=$(stat -c %s "$1")
	from=$((size > 4194304 ? size - 4194304 : 0))
	at=$(tail -c +$((from + 1)) "$1" | grep -aboF QEVM | head -n 1 | cut -d: -f1)
	[ -n "$at" ] || fail "no device-model state in $1"
	at=$((from + at))
	[ "$(u32_at "$1" $((at - 16)))" = 3 ] ||
		fail "no record of a device model before its state in $1"
	echo "$at"
}

# cut_dm_state FILE NEW: a well-formed stream with half of the state.
cut_dm_state() {
	at=$(dm_state_at "$1") || exit 1
	half=$((($(u32_at "$1" $((at - 12))) - 8) / 16 * 8))
	note "state at $at, cut to $half bytes"
	{
		head -c $((at - 12)) "$1"
		put_u32 $((half + 8))
		tail -c +$((at - 7)) "$1" | head -c $((half + 8))
		head -c 8 /dev/zero
	} >"$2"
}

# flip_bit FILE PLACE: flips a bit of one byte.
flip_bit() {
	byte=$(($(byte_at "$1" "$2") ^ 64))
	# shellcheck disable=SC2059
	printf "$(printf '\\%03o' "$byte")" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# refused NAME FILE [CONFIG]: xl restore fails soon, the device model
# says why, in one line.
refused() {
	started=$(now)
	rm -f "$(dm_log "$1")"
	must_fail "a state was restored that should not be" x restore ${3:+"$3"} "$2"
	[ $(($(now) - started)) -lt $((50 * PATIENCE)) ] || fail "the refusal took $(($(now) - started)) s"
	note "the device model says: $(cat "$(dm_log "$1")")"
	[ "$(grep -c . "$(dm_log "$1")")" = 1 ] ||
		fail "not one line in the device model's log"
	must "a half-restored domain is left" within 20 gone "$1"
}

# dm_options NAME: words after the first of the device model's command line, one
# a line.
dm_options() { tr '\0' '\n' <"/proc/$(dm_pid "$1")/cmdline" | tail -n +2; }

# check_as WORDS FILE [WORD]...: xenram check of FILE, with the words in WORDS, a
# file with one a line, and the others.
check_as() {
	words=$1
	shift
	while IFS= read -r word; do set -- "$@" "$word"; done <"$words"
	xenram check "$@"
}

# rom_pages NAME: how long the device model says that the boot ROM is.
rom_pages() {
	timeout $((30 * PATIENCE)) xl qemu-monitor-command "$1" "info ram" \
		>"$guests/answer" 2>&1 || fail "\"info ram\" failed"
	used=$(awk '/boot.rom/ { print $6 }' "$guests/answer")
	[ -n "$used" ] || fail "no boot ROM"
	echo $((used / 4096))
}

# rounds NR COMMAND...
rounds() {
	nr=$1 round=0
	shift
	while [ "$round" -lt "$nr" ]; do
		round=$((round + 1))
		"$@"
		say "round $round of $nr"
	done
}

# The guest writes memory all the time and looks at what it wrote earlier.
busy_start() {
	guest_ask "$1" "busy start" '^guest: busy started' 60 >/dev/null
}

# busy_end NAME [ROUNDS]: all is there, and it wrote that often at least.
busy_end() {
	times=$(guest_ask "$1" "busy end" '^guest: busy ended' 120) || exit 1
	[ "$times" != damaged ] ||
		fail "$(grep -a '^guest: damaged' "$guests/$1.serial" | head -n 1)"
	note "the guest wrote $times times"
	[ "$times" -ge "${2:-1}" ] || fail "the guest wrote $times times only"
}

# A guest that scenarios hand on to one another while nothing fails.
shared_guest() {
	if exists shared; then
		guest_follow shared
		count_now shared >/dev/null || exit 1
		return
	fi
	guest_unfollow shared
	rm -f "$guests"/shared.*
	guest_config shared memory=192
	guest_create shared
	wait_up shared
}

# Saves the shared guest; it is gone then.
saved_guest() {
	shared_guest
	saved_count=$(count_now shared) || exit 1
	x save shared "$guests/shared.save" || fail "xl save failed"
}

# Brings it back, from the same file.
restored_guest() {
	guest_mark shared
	x restore "$guests/shared.save" || fail "xl restore failed"
	goes_on shared "$saved_count"
}
