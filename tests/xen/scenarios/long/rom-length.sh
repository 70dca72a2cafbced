# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1200
# not-qemu: -xenram-block is ours
# The option ROM grows and shrinks where that is legal: a restored guest keeps
# the length that it was saved with, and its next boot has the one of its
# configuration.  Xen's page count follows, and the guest sees it.
. /xt/lib.sh

rom_config() {
	guest_config rom 'on_reboot="restart"' \
		"device_model_args_hvm=[\"-xenram-block\",\"xenram/boot.rom,size=$1,max=131072\"]"
}

# rom_has PAGES: what the device model says that the ROM has.
rom_has() {
	has=$(rom_pages rom) || exit 1
	[ "$has" = "$1" ] || fail "the ROM has $has pages, not $1"
}

peek() { guest_ask rom "peek $1" '^guest: peek 0x' 30; }

# at PLACE VALUE: 32 bits that the guest reads.
at() {
	seen=$(peek "$1") || exit 1
	[ $((seen)) = $(($2)) ] || fail "at $1 the guest reads $seen, not $2"
}

# sees_rom BASE PAGES: the image, nothing in the rest, nobody beyond it; a write
# has no effect.
sees_rom() {
	end=$(($1 + $2 * 4096))
	seen=$(peek "$1") || exit 1
	[ $((seen & 0xffff)) = $((0xaa55)) ] || fail "no image: $seen"
	guest_ask rom "poke $1 0x12345678" '^guest: poked' 30 >/dev/null
	at "$1" "$seen"
	if [ "$2" -gt 1 ]; then
		at $((end - 4)) 0
		guest_ask rom "poke $((end - 4)) 0x12345678" '^guest: poked' 30 >/dev/null
		at $((end - 4)) 0
	fi
	at "$end" 0xffffffff
}

# place_rom [BASE]: shows the ROM there, or where its BAR is; prints where.
place_rom() { guest_ask rom "rom $1" '^guest: rom 0x' 30; }

pages() { ram-steps pages "$(domid rom)"; }

# carry SIZE PAGES BASE: saved, restored where a ROM of SIZE is asked for, it has
# the PAGES of before, at BASE.
carry() {
	rom_config "$1"
	before=$(pages)
	count=$(count_now rom) || exit 1
	x save rom "$guests/rom.save" || fail "xl save failed"
	guest_mark rom
	x restore "$guests/rom.cfg" "$guests/rom.save" || fail "xl restore failed"
	goes_on rom "$count"
	[ "$(pages)" = "$before" ] || fail "saved with $before pages, has $(pages)"
	rom_has "$2"
	sees_rom "$3" "$2"
}

# boot_again PAGES: as many after a reboot, in $base.
boot_again() {
	guest_mark rom
	x reboot rom || fail "xl reboot failed"
	wait_up rom
	rom_has "$1"
	base=$(place_rom) || exit 1
	sees_rom "$base" "$1"
}

rom_config 1536
guest_create rom -p
one=$(pages)
x destroy rom || fail "xl destroy failed"

rom_config 20480
guest_create rom -p
[ "$(pages)" = $((one + 4)) ] || fail "$one pages with one, $(pages) with five"
x unpause rom || fail "xl unpause failed"
wait_up rom
rom_has 5
base=$(place_rom) || exit 1
sees_rom "$base" 5
moved=$(place_rom $((base + 0x100000))) || exit 1
sees_rom "$moved" 5
at "$base" 0xffffffff

say "saved with 5 pages, restored where it would have 16"
carry 65536 5 "$moved"
say "its next boot has 16"
boot_again 16
say "saved with 16 pages, restored where it would have 1"
carry 1536 16 "$base"
say "its next boot has 1"
boot_again 1

say "more than maxmem allows"
x destroy rom || fail "xl destroy failed"
guest_config rom \
	'device_model_args_hvm=["-xenram-block","xenram/boot.rom,size=8388608"]'
rm -f "$(dm_log rom)"
must_fail "a ROM beyond maxmem was populated" x create "$guests/rom.cfg"
must "the reason is not in the log" \
	grep -q 'Xen does not give 0x800 pages' "$(dm_log rom)"
must "a domain is left" within 20 gone rom
