# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 120
# xl create starts the device model, xl destroy leaves nothing of it.
. /xt/lib.sh

guest_config g1
guest_create g1
id=$(domid g1)
pid=$(dm_pid g1)
must "no device model process" kill -0 "$pid"
must "state is not running" test \
	"$(xenstore-read "/local/domain/0/device-model/$id/state")" = running

x destroy g1 || fail "xl destroy failed"
must "the device model outlives its domain" within 15 test ! -e "/proc/$pid"
must "the domain is still there" gone g1
must_fail "a QMP socket is left" test -e "/run/xen/qmp-libxl-$id"
must_fail "xenstore keys are left" \
	xenstore-exists "/local/domain/0/device-model/$id"
