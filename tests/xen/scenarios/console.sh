# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# xl console shows what the guest says and takes what is typed. It reads from
# terminals only, so it gets one.
. /xt/lib.sh

typed() { grep -aq '^guest: typed in xl console' "$guests/console.out"; }

shared_guest
guest_unfollow shared
mkfifo "$guests/console.in"
script -qfc "xl console shared" "$guests/console.out" \
	<"$guests/console.in" >/dev/null 2>&1 &
console=$!
exec 3>"$guests/console.in"
must "xl console shows nothing" within 30 \
	grep -aq '^guest: count' "$guests/console.out"
echo 'echo typed in xl console' >&3
must "what was typed did not arrive" within 30 typed
printf '\035' >&3
wait "$console" || fail "xl console failed"
exec 3>&-
guest_follow shared
count_now shared >/dev/null
