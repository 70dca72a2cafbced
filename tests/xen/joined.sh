# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# What scenarios with two hosts are written with, on either of them. They have
# "# other-host: same", or another version of Xen than their own, and run on the
# first host.

. /xt/lib.sh

clock() {
	read -r up _ </proc/uptime
	ticks=${up%.*}${up#*.}
}

# Each line of the input behind the time at which it came.
stamped() {
	while IFS= read -r line; do
		read -r up _ </proc/uptime
		echo "$up $line"
	done
}

# A scenario's last function is followed by "runs || return": the other host
# reads it as well, for its functions.
scenario=${scenario:-$0}
runs() { [ "$0" = "$scenario" ]; }

# What the second host says comes out of there on the first.
if [ ! -e /xt/plan ]; then
	say() { echo "@ say $*"; }
fi

# there COMMAND...: runs the words as a line of shell on the other host, where
# the scenario's functions are known, and the sum of the guest's memory; prints
# and returns what it does.
there() {
	reply=$(timeout $((400 * PATIENCE)) /xt/over \
		"scenario=$scenario; . $scenario; sum_before=$sum_before; $*; echo \"=== \$? \$sum_before\"" \
		</dev/null)
	printf '%s' "${reply%=== *}"
	printf '%s' "$reply" | grep '^@ say ' >"$REPORT"
	why=$(printf '%s' "$reply" | sed -n 's/^--- .* FAILED: //p')
	case $reply in
	*"=== "*) ;;
	*) return 1 ;;
	esac
	reply=${reply##*=== }
	sum_before=${reply#* }
	return "${reply%% *}"
}

# over_there COMMAND...: as there, and the scenario fails when COMMAND does.
over_there() { there "$@" || fail "on the other host: ${why:-$* failed}"; }

# copy_there FILE
copy_there() { /xt/over "cat >$1" <"$1"; }

hosts_meet() {
	must "the other host does not answer" within 120 there true
	note "the other host has Xen $(there 'echo "$XEN"')"
}

# full_guest NAME: runs here, with memory that can be compared.
full_guest() {
	guest_config "$1" memory=192
	guest_create "$1"
	wait_up "$1"
	fill_memory "$1"
}

# How far the other host's clock is ahead, in hundredths of a second, is left in
# $ahead, and twice the doubt in $doubt.
compare_clocks() {
	doubt=1000000
	for _ in 1 2 3 4 5; do
		clock
		sent=$ticks
		theirs=$(/xt/over 'read -r up _ </proc/uptime; echo "$up"' </dev/null)
		clock
		if [ $((ticks - sent)) -lt "$doubt" ]; then
			doubt=$((ticks - sent))
			ahead=$((${theirs%.*}${theirs#*.} - (sent + ticks) / 2))
		fi
	done
}

# What xl runs on the other host.
receive() {
	{ xl -vvv migrate-receive 2>&1 >&3 3>&- | stamped >"$guests/received" 3>&-; } 3>&1
}

# send NAME [option of xl migrate]...: the other host takes the guest, or says
# why not; what both xl said is left in $guests/sent, and there in received.
send() {
	name=$1
	shift
	note "xl migrate $* $name"
	{
		timeout $((300 * PATIENCE)) xl -vvv migrate "$@" -s "" "$name" \
			"exec /xt/over '. /xt/joined.sh; receive'" 2>&1
		echo $? >"$guests/send.status"
	} | stamped >"$guests/sent"
	note "done"
	return "$(cat "$guests/send.status")"
}

# said_at FILE TEXT: when xl first said so, in hundredths of a second.
said_at() {
	when=$(grep -m 1 -F "$2" "$1" | cut -d' ' -f1)
	[ -n "$when" ] || fail "xl did not say \"$2\""
	echo "${when%.*}${when#*.}"
}

# Between the guest's suspension here and its start on the other host.
report_downtime() {
	from=$(said_at "$guests/sent" 'guest has suspended') || exit 1
	to=$(there 'said_at "$guests/received" "Domain started success"') || exit 1
	say "downtime $(((to - ahead - from) * 10)) ms, give or take $((doubt * 5))"
}

# migrate_there NAME [option of xl migrate]...
migrate_there() {
	count=$(count_now "$1") || exit 1
	over_there guest_follow "$1"
	compare_clocks
	send "$@" || fail "xl migrate failed: $(tail -n 1 "$guests/sent")"
	must "the domain is still there" gone "$1"
	over_there "goes_on $1 $count"
	report_downtime
}

no_guest() {
	! {
		xl list | awk 'NR > 1 && $2 > 0'
		pgrep -f -- -xen-domid
		find /var/lib/xen -name 'qemu-*'
	} | grep .
}

free_is_about() { [ $(($(free_mb) - $1)) -ge -2 ] && [ $(($(free_mb) - $1)) -le 2 ]; }

# nothing_left MB: no guest, no device model, no file of one; MB are free.
nothing_left() {
	must "something of a guest is left" within 30 no_guest
	must "$(free_mb) MB are free, should be $1" within 30 free_is_about "$1"
}
