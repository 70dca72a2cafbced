# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# not-qemu: the library, on a guest that any device model could have
# What a guest writes to two blocks that are tracked is known, by page; what it
# writes elsewhere and what it reads is not in it.
. /xt/lib.sh

answered() { [ "$(grep -c ^written "$guests/tracked")" -ge "$asked" ]; }

# written RUNS: all that was written since the last time.
written() {
	asked=$((asked + 1))
	echo >&3
	must "no answer" within 20 answered
	seen=$(grep ^written "$guests/tracked" | sed -n "${asked}p")
	note "$seen"
	[ "${seen#written}" = "$1" ] || fail "$seen, should be$1"
}

poke() { guest_ask shared "poke $1 0x1234" '^guest: poked' 30 >/dev/null; }

shared_guest
count=$(count_now shared) || exit 1
rm -f /run/tracked.in
mkfifo /run/tracked.in
ram-steps track "$(domid shared)" </run/tracked.in >"$guests/tracked" 2>&1 &
tracker=$!
exec 3>/run/tracked.in
asked=0
written " 0xfe200+3 0xfe9fd+2"
written ""
poke 0xfe201000
poke 0xfe9fe020
written " 0xfe201+1 0xfe9fe+1"
seen=$(guest_ask shared "peek 0xfe202000" '^guest: peek 0x' 30)
[ $((seen)) = 0 ] || fail "a new page has $seen"
written ""
poke 0xfe201ffc
poke 0xfe200000
written " 0xfe200+2"
exec 3>&-
wait "$tracker" || fail "$(tail -n 1 "$guests/tracked")"
goes_on shared "$count"
