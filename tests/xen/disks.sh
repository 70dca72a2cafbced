# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# What scenarios with disks are written with: those that have "# disks: yes".
# Their host has a disk with Debian as /dev/vda, and a bootable CD as /dev/vdb.

. /xt/lib.sh

# fresh_disk NAME: a disk with Debian, as an image file.
fresh_disk() {
	image=$guests/$1.raw
	dd if=/dev/vda of="$image" bs=1M conv=sparse status=none ||
		fail "no disk with Debian"
}

# as_device FILE: a block device of it, for blkback.
as_device() { losetup --find --show "$1" || fail "no loop device for $1"; }

# disk_spec TARGET VDEV [ACCESS]: a file's PV disk is the device model's; left to
# itself, libxl makes a loop device of it for blkback.
disk_spec() {
	backend=
	[ ! -f "$1" ] || backend=backendtype=qdisk,
	echo "format=raw,vdev=$2,access=${3:-rw},${backend}target=$1"
}

disk_key() { echo "'$(disk_spec "$@")'"; }

# serves_pv NAME NR: so many PV disks of the guest are the device model's, and
# connected.
serves_pv() {
	be=/local/domain/0/backend/qdisk/$(domid "$1")
	nr=0
	for devid in $(xenstore-list "$be"); do
		[ "$(xenstore-read "$be/$devid/state")" != 4 ] || nr=$((nr + 1))
	done
	[ "$nr" = "$2" ] || fail "the device model serves $nr PV disks, not $2"
}

# bios_guest NAME TARGET [KEY=VALUE]...: boots from the disk. That takes a minute,
# with stock QEMU four: the BIOS reads a kernel of 12 MB by programmed I/O, and each
# access is emulated twice.
bios_guest() {
	disk_name=$1 target=$2
	shift 2
	guest_config "$disk_name" -kernel -ramdisk -cmdline memory=192 \
		'boot="c"' "disk=[$(disk_key "$target" xvda)]" "$@"
	guest_create "$disk_name"
}

# boot_without_unplug IMAGE: changes grub.cfg in place.
boot_without_unplug() {
	at=$(grep -abo 'xen_emul_unplug=all  ' "$1") || fail "no grub.cfg in $1"
	[ "$(echo "$at" | wc -l)" = 1 ] || fail "grub.cfg is several times in $1"
	printf xen_emul_unplug=never | dd of="$1" bs=1 seek="${at%%:*}" \
		conv=notrunc status=none || fail "cannot write $1"
}

# disk_guest NAME TARGET [KEY=VALUE]...: has its root on the disk, but gets its
# kernel from the device model.
disk_guest() {
	disk_name=$1 target=$2
	shift 2
	guest_config "$disk_name" 'ramdisk="/xt/guest/initrd.root"' memory=192 \
		"disk=[$(disk_key "$target" xvda)]" "$@"
	guest_create "$disk_name"
}

# data_guest NAME DISKS [KEY=VALUE]...: starts without one, and has drivers.
data_guest() {
	disk_name=$1 disks=$2
	shift 2
	guest_config "$disk_name" 'ramdisk="/xt/guest/initrd.disks"' \
		"disk=[$disks]" "$@"
	guest_create "$disk_name"
	wait_up "$disk_name"
	guest_ask "$disk_name" disks '^guest: disks' 120 >/dev/null
}

# image_guest NAME DISK [KEY=VALUE]...: finds the image as that disk, xvda or sda;
# both are left in $name and $disk.
image_guest() {
	name=$1 disk=$2
	shift 2
	data_guest "$name" "$(disk_key "$image" xvda)" "$@"
	has "$name" "$disk"
	[ "$disk" != xvda ] || serves_pv "$name" 1
}

# The prompt has no end of line.
asks_for_login() { serial_since_mark "$1" | tail -c 100 | grep -aq 'login: *$'; }

# wait_login NAME [SECONDS]: logs in at the prompt.
wait_login() {
	started=$(now)
	within "${2:-200}" asks_for_login "$1" ||
		fail "guest $1: no login within ${2:-200} s"
	note "login after $(($(now) - started)) s"
	guest_cmd "$1" root
	wait_up "$1" 60
	if grep -a '^start: ' "$guests/$1.serial"; then
		fail "guest $1: its file system was damaged"
	fi
}

# runs_on NAME DISK
runs_on() {
	disk=$(guest_ask "$1" disk '^guest: disk' 60) || exit 1
	[ "$disk" = "/dev/$2" ] || fail "guest $1 runs on $disk, not on $2"
}

# Files that a guest writes, and finds again as they were.
write_file() {
	sum=$(guest_ask "$1" "write $2 ${3:-8}" '^guest: wrote' 200) || exit 1
	[ "$sum" != nothing ] || fail "guest $1 could not write $2"
}

same_file() {
	reply=$(guest_ask "$1" "compare $2" '^guest: compare' 200) || exit 1
	[ "$reply" = same ] || fail "guest $1: $2 is not what it wrote"
}

load_start() {
	name=$1
	shift
	guest_ask "$name" "load start $*" '^guest: load started' 60 >/dev/null
}

# load_end NAME [WRITES]: nothing was lost, and it wrote that often at least.
load_end() {
	guest_cmd "$1" "load end"
	reply=$(wait_line "$1" '^guest: load ended' 300) || exit 1
	note "$reply"
	case $reply in
	"guest: load ended ok "*) ;;
	*) fail "$reply" ;;
	esac
	reply=${reply#guest: load ended ok }
	[ "${reply%% *}" -ge "${2:-1}" ] || fail "the guest wrote ${reply%% *} times only"
}

# disk_life NAME DISK [SECONDS]: files and load through all that may befall a
# guest; so long may a boot take.
disk_life() {
	runs_on "$1" "$2"
	write_file "$1" first
	load_start "$1"
	save_and_restore "$1"
	same_file "$1" first
	write_file "$1" second
	migrate "$1"
	same_file "$1" first
	load_end "$1" 10
	guest_cmd "$1" reboot
	wait_line "$1" '^guest: going down' 60 >/dev/null
	guest_mark "$1"
	wait_login "$1" "${3:-}"
	runs_on "$1" "$2"
	same_file "$1" first
	same_file "$1" second
	x destroy "$1" || fail "xl destroy failed"
}

# empty_image NAME MB
empty_image() {
	image=$guests/$1.raw
	rm -f "$image"
	truncate -s "$2M" "$image"
}

# The kernel of a guest that has drivers for emulated disks uses them.
emulated="cmdline=\"$kernel_words xen_emul_unplug=never\""

has() {
	reply=$(guest_ask "$1" "has $2 30" '^guest: has' 60) || exit 1
	[ "$reply" = yes ] || fail "guest $1 has no $2"
}

# dm_lives NAME: so does its guest.
dm_lives() {
	must "the device model is gone" test -d "/proc/$(dm_pid "$1")"
	count_now "$1" >/dev/null || exit 1
}

# load_fails NAME PATTERN: the load ended by itself, with these words.
load_fails() {
	reply=$(wait_line "$1" '^guest: load ended' 300) || exit 1
	note "$reply"
	case $reply in
	*$2*) ;;
	*) fail "$reply" ;;
	esac
}

# A CD to boot from, as an image file.
cd_image() {
	image=$guests/$1.iso
	dd if=/dev/vdb of="$image" bs=1M status=none || fail "no CD"
}

cd_key() { echo "'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=$1'"; }

# cd_is NAME FILE: the guest reads that from its CD-ROM drive, to the end.
cd_is() {
	has "$1" sr0
	wanted=$(sha256sum <"$2" | cut -d' ' -f1)
	for try in 1 2 3; do
		got=$(guest_ask "$1" "digest sr0" '^guest: digest' 120) || exit 1
		[ "$got" != "$wanted" ] || return 0
		note "try $try: $got, not $wanted"
	done
	fail "guest $1 reads something else from the CD $2"
}

no_cd() {
	got=$(guest_ask "$1" "digest sr0" '^guest: digest' 120) || exit 1
	[ "$got" = none ] || fail "guest $1 still reads a CD"
}

# write_raw NAME DISK: fills all of it; what sum it has is left in $raw_sum.
write_raw() {
	raw_sum=$(guest_ask "$1" "raw $2" '^guest: raw' 120) || exit 1
	[ "$raw_sum" != failed ] || fail "guest $1 could not write to $2"
}

same_raw() {
	got=$(guest_ask "$1" "digest $2" '^guest: digest' 120) || exit 1
	[ "$got" = "$raw_sum" ] || fail "guest $1: $2 is not what it wrote"
}
