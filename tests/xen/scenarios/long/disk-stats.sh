# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# disks: yes
# xentop and the monitor tell what a guest read and wrote.
. /xt/disks.sh

# column NAME: of the guest, as xentop has it in its second look.
column() {
	xentop -b -f -i 2 -d 1 | awk -v name="$1" '
	/ NAME / { for (i = 1; i <= NF; i++) at[$i] = i }
	$1 == "counted" { value = $at[name] }
	END { print value }'
}

monitor() { timeout 60 xl qemu-monitor-command counted "$1"; }

empty_image data 16
data_guest counted "$(disk_key "$image" xvda)" "$emulated"
has counted sda
guest_ask counted "disk-load speed /dev/sda 0 16 write seq 1024 1" \
	'^guest: disk-load speed' 120 >/dev/null
guest_ask counted "digest sda" '^guest: digest' 120 >/dev/null
note "$(monitor "info block")"
note "$(monitor "info blockstats")"
must "no image in info block" grep -q "$image" <<-END
$(monitor "info block")
END
must "nothing in info blockstats" grep -Eq 'wr_bytes=[1-9]' <<-END
$(monitor "info blockstats")
END
note "xentop: $(column VBD_RD) reads, $(column VBD_WR) writes"
[ "$(column VBD_RD)" -gt 0 ] || fail "xentop has no reads"
[ "$(column VBD_WR)" -gt 0 ] || fail "xentop has no writes"
x destroy counted || fail "xl destroy failed"
