# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1200
# not-qemu: -xenram-block is ours
# A saved guest meets other lengths, limits and files than those that it was
# saved with. What fits is restored; what does not is refused for its reason,
# and costs neither the saved state nor the guest that was to be sent. xenram
# check says the same before.
. /xt/lib.sh

rom=-xenram-block save=$guests/rom.save

# config WORD...: a guest whose device model gets these words.
config() {
	args=
	for word; do args="$args${args:+,}\"$word\""; done
	guest_config rom "${args:+device_model_args_hvm=[$args]}"
}

# save_as WORD...: a guest with these words, saved.
save_as() {
	config "$@"
	guest_create rom
	wait_up rom
	# What xl adds to them.
	dm_options rom | awk -v nr=$# '
		/^-xenram-/ { skip = 2 }
		skip-- <= 0' >"$guests/options"
	pages=$(ram-steps pages "$(domid rom)")
	length=$(rom_pages rom) || exit 1
	saved_count=$(count_now rom) || exit 1
	x save rom "$save" || fail "xl save failed"
	sha256sum "$save" >"$guests/sum"
}

# fits WORD...: restored with these words, and as it was.
fits() {
	say "fits: $*"
	config "$@"
	check_as "$guests/options" "$save" "$@" >"$guests/check" 2>&1 ||
		fail "xenram check says $(tail -n 1 "$guests/check")"
	guest_mark rom
	x restore "$guests/rom.cfg" "$save" || fail "xl restore failed"
	goes_on rom "$saved_count"
	has=$(rom_pages rom) || exit 1
	[ "$has" = "$length" ] || fail "saved with a ROM of $length pages, has $has"
	has=$(ram-steps pages "$(domid rom)")
	[ "$has" = "$pages" ] || fail "saved with $pages pages, has $has"
}

ends() { x destroy rom || fail "xl destroy failed"; }

# refuses TEXT WORD...: not restored with these words, for this reason.
refuses() {
	reason=$1
	shift
	say "refused: $*"
	config "$@"
	must_fail "xenram check sees no reason" \
		check_as "$guests/options" "$save" "$@" >"$guests/check" 2>&1
	grep -q -e "$reason" "$guests/check" ||
		fail "xenram check says $(tail -n 1 "$guests/check")"
	refused rom "$save" "$guests/rom.cfg"
	grep -q -e "$reason" "$(dm_log rom)" ||
		fail "not \"$reason\" but $(cat "$(dm_log rom)")"
	must "the saved state is another" sha256sum -c --status "$guests/sum"
}

# goes_nowhere TEXT WORD...: cannot be sent with these words, for this reason,
# and goes on.
goes_nowhere() {
	reason=$1
	shift
	say "not sent: $*"
	config "$@"
	count=$(count_now rom) || exit 1
	id=$(domid rom)
	must_fail "xl migrate succeeds" \
		x migrate -C "$guests/rom.cfg" -s "" rom "xl migrate-receive"
	grep -q -e "$reason" "$(dm_log rom--incoming)" ||
		fail "not \"$reason\" but $(cat "$(dm_log rom--incoming)")"
	[ "$(domid rom)" = "$id" ] || fail "the guest is not what it was"
	goes_on rom "$count"
}

save_as $rom xenram/boot.rom,size=20480
refuses 'Length too large: 0x5000 in the stream, 0x200 here, at most 0x4000' \
	$rom xenram/boot.rom,max=16384
refuses 'Length mismatch: 0x5000 in the stream, 0x200 here, and the policy is strict' \
	-xenram-policy strict
refuses 'max length 0x10000 in the stream, 0x8000 here, and the policy is strict' \
	-xenram-policy strict $rom xenram/boot.rom,size=20480,max=32768
head -c 128 /dev/zero >"$guests/cmos"
head -c 256 /dev/zero >"$guests/cmos-256"
refuses 'xenram/cmos: private in the stream, file-backed here' \
	-xenram-file "xenram/cmos=$guests/cmos"
fits -xenram-policy strict $rom xenram/boot.rom,size=20480
ends
fits $rom xenram/boot.rom,size=65536
ends
fits $rom xenram/boot.rom,max=20480
goes_nowhere 'Length too large: 0x5000 ' $rom xenram/boot.rom,max=16384
goes_nowhere 'Length mismatch: 0x5000 ' -xenram-policy strict
ends

save_as -xenram-file "xenram/cmos=$guests/cmos"
# Before it looks at the state.
refuses 'has 256 bytes, must have 128' \
	-xenram-file "xenram/cmos=$guests/cmos-256"
refuses 'xenram/cmos: file-backed in the stream, private here'
refuses 'its file is mapped shared in the stream, private here' \
	-xenram-file "xenram/cmos=$guests/cmos,private"
fits -xenram-file "xenram/cmos=$guests/cmos"
ends
