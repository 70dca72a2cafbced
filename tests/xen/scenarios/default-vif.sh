# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# vif=['bridge=xenbr0'] asks for an emulated card too: its tap must join the
# bridge, and the guest, with two vCPUs, must reach dom0 through its
# paravirtual card.
. /xt/lib.sh

guest_config net vcpus=2 "vif=['bridge=xenbr0']"
guest_create net
must "the tap is not in the bridge" \
	test -e "/sys/class/net/xenbr0/brif/vif$(domid net).0-emu"
wait_up net
sees net 128 2
guest_ask net net '^guest: net ready' 90
must "the guest does not reach dom0" test \
	"$(guest_ask net 'ping 10.9.0.1' '^guest: ping ' 60)" = ok
x destroy net || fail "xl destroy failed"
