# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# A device model that dies under xl save costs its guest, nothing more: an
# earlier state still restores.
. /xt/lib.sh

saving() { grep -q 'Saving to' "$guests/save.out"; }

saved_guest
cp "$guests/shared.save" "$guests/earlier.save"
restored_guest
pid=$(dm_pid shared)
: >"$guests/save.out"
timeout 200 xl save shared "$guests/shared.save" >"$guests/save.out" 2>&1 &
save=$!
until saving; do kill -0 $save || fail "xl save did not start"; done
kill -9 "$pid"
if wait $save; then fail "xl save reports success"; fi
must "xl save says nothing" grep -qi error "$guests/save.out"
if exists shared; then
	x destroy shared || fail "xl destroy failed"
fi
mv "$guests/earlier.save" "$guests/shared.save"
restored_guest
