# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 2500
# other-host: same
# host-mem: 2560
# not-qemu: the versions are ours
# Two versions of the device model, the newer one on the other host: its boot
# ROM is longer, and its serial port saves a subsection more when the guest uses
# what that describes. Live to the newer one and back. Then to one whose serial
# section has another version, from where no way leads back.
. /xt/joined.sh

# version FILE DM ROM: the configuration of one version.
version() {
	guest_config g1 memory=192 "device_model_override=\"$2\"" \
		"device_model_args_hvm=[\"-xenram-block\",\"xenram/boot.rom,size=$3\"]"
	mv "$guests/g1.cfg" "$guests/$1.cfg"
}

# runs_with DM PAGES: which device model the guest has, and how long a ROM.
runs_with() {
	exe=$(readlink "/proc/$(dm_pid g1)/exe")
	[ "$exe" = "$1" ] || fail "the guest has $exe, not $1"
	has=$(rom_pages g1) || exit 1
	[ "$has" = "$2" ] || fail "the ROM has $has pages, not $2"
	note "$exe, a ROM of $2 pages"
}

# reboot_to DM PAGES: the guest boots again, and has a ROM of that length.
reboot_to() {
	guest_mark g1
	x reboot g1 || fail "xl reboot failed"
	wait_up g1
	runs_with "$1" "$2"
	fill_memory g1
}

# The guest uses what only the newer version knows, or no longer.
mark() { guest_ask g1 "port 0x3ff $1" '^guest: port' 30 >/dev/null; }

# goes_nowhere CONFIG: the guest cannot be sent with it, and goes on.
goes_nowhere() {
	count=$(count_now g1) || exit 1
	must_fail "the guest was sent with $1" send g1 -C "$1"
	goes_on g1 "$count"
	same_memory g1
}

# refused_for TEXT MB: the device model here said so; nothing is left of it.
refused_for() {
	note "the device model says: $(cat "$(dm_log g1--incoming)")"
	grep -q "$1" "$(dm_log g1--incoming)" || fail "the reason is not in the log"
	nothing_left "$2"
}

runs || return
older=$DM
newer=/usr/bin/xenram-dm-subsection
newest=/usr/bin/xenram-dm-version-2

hosts_meet
free=$(free_mb)
version older "$older" 5000
version newer "$newer" 20480
version newest "$newest" 20480
copy_there "$guests/older.cfg"
cp "$guests/older.cfg" "$guests/g1.cfg"
guest_create g1
wait_up g1
runs_with "$older" 2
fill_memory g1

say "to the newer version, whose ROM is longer"
migrate_there g1 -C "$guests/newer.cfg"
over_there same_memory g1
over_there runs_with "$newer" 2

say "its next boot there has that ROM"
over_there reboot_to "$newer" 5

say "not back while the guest uses what the older version does not know"
over_there mark 0x5a
over_there goes_nowhere "$guests/older.cfg"
refused_for 'subsection serial/mark is unknown' "$free"

say "back to the older version, whose ROM is shorter"
over_there mark 0
over_there migrate_there g1 -C "$guests/older.cfg"
same_memory g1
runs_with "$older" 5
reboot_to "$older" 2

say "to a version with another serial section, and not back from there"
migrate_there g1 -C "$guests/newest.cfg"
over_there same_memory g1
over_there runs_with "$newest" 2
over_there goes_nowhere "$guests/older.cfg"
refused_for 'version 2' "$free"
