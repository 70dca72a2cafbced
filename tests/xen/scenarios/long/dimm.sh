# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# not-qemu: it has no memory devices on Xen
# A guest with a DIMM finds it by ACPI, and keeps it and what is in it through a
# save; with its balloon driver as without it.
. /xt/lib.sh

mb() { expr "$(guest_ask vm mem '^guest: mem [0-9]' 60)" / 1024; }

dimm_guest() {
	guest_config vm memory=384 videoram=256 \
		"cmdline=\"$kernel_words memhp_default_state=online $1\"" \
		'device_model_args_hvm=["-object","memory-backend-ram,id=m0,size=256M","-device","pc-dimm,id=d0,memdev=m0"]'
	guest_create vm
	wait_up vm
}

static_max_is() {
	value=$(xenstore-read "/local/domain/$(domid vm)/memory/static-max")
	[ "$value" = "$1" ]
}

dimm_guest initcall_blacklist=balloon_init
has=$(mb)
note "the guest has $has MB and $(pages_of vm) pages"
[ "$has" -gt 300 ] || fail "the guest sees $has MB of 128 and 256"
[ "$(pages_of vm)" -gt $((380 * 256)) ] || fail "Xen counts $(pages_of vm) pages"
busy_start vm
save_and_restore vm
busy_end vm
[ "$(mb)" = "$has" ] || fail "the guest saw $has MB, sees $(mb)"
x qemu-monitor-command vm "info memory-devices"
x destroy vm
guest_unfollow vm
rm -f "$guests"/vm.*

note "with the balloon driver"
dimm_guest ""
within 60 static_max_is 393216 || fail "static-max is $value"
save_and_restore vm
