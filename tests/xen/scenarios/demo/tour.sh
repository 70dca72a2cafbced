# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# What scripts/demo shows: one guest, counting through save, restore and
# migration.
. /xt/lib.sh

step() {
	began=$(now)
	step=$1
	say "$step"
}

finished() { say "step $step|$(($(now) - began))|ok"; }

# Shows the guest's own lines as they come.
stream() {
	tail -n 0 -F "$guests/$1.serial" 2>/dev/null |
		while read -r text; do say "  ${text%"$cr"}"; done
}

# count_on GUEST COUNT: three lines further than COUNT.
count_on() {
	target=$(($2 + 3))
	guest_mark "$1"
	until [ "$(count_now "$1")" -ge "$target" ]; do :; done
}

guest_config linux memory=256
: >"$guests/linux.serial"
stream linux &

step "xl create, until the guest's userspace is up"
guest_create linux
wait_up linux
finished
count_on linux 0

step "xl save"
count=$(count_now linux) || exit 1
x save linux "$guests/linux.save" || fail "xl save failed"
must "the domain is still there" gone linux
finished
say "saved: $(stat -c %s "$guests/linux.save") bytes; the guest is gone"

step "xl restore, until the guest counts on"
x restore "$guests/linux.save" || fail "xl restore failed"
goes_on linux "$count"
finished
count_on linux "$count"

step "xl migrate, live, until the guest counts on"
migrate linux
finished
count_on linux "$count"

step "xl destroy"
x destroy linux || fail "xl destroy failed"
must "the domain is still there" gone linux
finished
