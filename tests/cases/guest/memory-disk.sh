# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# memory-disk.sh: a disk whose speed and errors a test decides (null_blk, its
# content in memory). Sourced after lib.sh and disks.sh.
#
#   memory_disk_mounted NAME NSEC	XFS at /NAME; every request takes NSEC
#   memory_disk_bad NAME FILE		requests for the blocks of FILE fail
#   memory_disk_good NAME		no more

memory_disks=/sys/kernel/config/nullb

memory_disk_mounted()
{
	local at=$memory_disks/$1 device=/dev/$1

	grep -q " /$1 " /proc/mounts && return
	filesystem_modules xfs
	# A built-in configfs has no module.
	[ ! -e /modules/configfs.ko ] || [ -e /sys/module/configfs ] ||
		modctl load /modules/configfs.ko || fail "configfs.ko: refused"
	[ -e /sys/module/null_blk ] || modctl load /modules/null_blk.ko nr_devices=0 ||
		fail "null_blk.ko: refused"
	[ -d $memory_disks ] || mount -t configfs none /sys/kernel/config || fail "no configfs"
	mkdir "$at"
	echo 1 >"$at/memory_backed"
	echo 320 >"$at/size"
	echo 0 >"$at/irqmode"
	echo 1 >"$at/power"
	mkfs.xfs -q -f "$device" || fail "mkfs.xfs on $device"
	if [ "$2" != 0 ]; then
		# The content stays while it is switched off.
		echo 0 >"$at/power"
		echo 2 >"$at/irqmode"
		echo "$2" >"$at/completion_nsec"
		echo 1 >"$at/power"
	fi
	mkdir -p "/$1"
	mount -t xfs -o noatime "$device" "/$1" || fail "$device is not mounted"
}

memory_disk_bad()
{
	local first last

	xfs_io -r -c "fiemap" "$2" | sed -n 's/.*\]: \([0-9]*\)\.\.\([0-9]*\).*/\1 \2/p' >/tmp/extents
	[ -s /tmp/extents ] || fail "$2 has no blocks"
	while read -r first last; do
		echo "+$first-$last" >"$memory_disks/$1/badblocks" || fail "no bad blocks"
	done </tmp/extents
}

memory_disk_good()
{
	local first last

	while read -r first last; do
		echo "-$first-$last" >"$memory_disks/$1/badblocks" || fail "bad blocks stay"
	done </tmp/extents
}
