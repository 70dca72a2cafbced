# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# not-qemu: xenram reads what xenram-dm saves
# What xl saved is looked at before it is restored, and the answers are true.
. /xt/lib.sh

# shows FILE PATTERN: FILE has such a line.
shows() { grep -q -e "$2" "$1" || fail "no \"$2\" in: $(cat "$1")"; }

shared_guest
dm_options shared >"$guests/options"
saved_guest
save=$guests/shared.save
out=$guests/xenram.out

xenram inspect "$save" >"$out" || fail "xenram inspect failed"
note "inspect: $(cat "$out")"
shows "$out" "HVM guest on Xen $XEN"
shows "$out" '^guest.low .* 0xc000000 '
shows "$out" '^xenram/boot.rom  *guest-visible .* 0x10000 '
shows "$out" '^xenram/sum '
at=$(dm_state_at "$save") || exit 1
shows "$out" "^state of the device model at $(printf '0x%x' "$at"),"

xenram inspect - <"$save" >"$out.file" || fail "xenram inspect - failed"
# shellcheck disable=SC2002
cat "$save" | xenram inspect - >"$out.pipe" || fail "a pipe cannot be read"
must "a pipe shows something else" cmp "$out" "$out.pipe"

check_as "$guests/options" "$save" >"$out" || fail "with the device model's options: refused"
note "check: $(cat "$out")"
xenram check "$save" >"$out.xl" || fail "with the options in the file: refused"
must "the options in the file are others" cmp "$out" "$out.xl"

must_fail "RAM of another size would be restored" \
	xenram check "$save" -m 193 -serial pty -kernel x
head -c $((at + 100)) "$save" >"$guests/cut.save"
must_fail "half a file is whole" xenram inspect "$guests/cut.save"
must_fail "half a file would be restored" xenram check "$guests/cut.save"
rm -f "$guests/cut.save"

restored_guest
