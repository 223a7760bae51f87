# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# disks.sh: file systems on the disks that profile_disks gives the guest.
# Sourced after lib.sh.
#
#   disk NAME                 the device of the disk of that name
#   filesystem_make KIND      ext4, xfs, btrfs or ext3 (of ext4's driver) on the disk of that name, at /KIND
#   filesystem_remount KIND   nothing of it stays in the page cache
#   filesystem_clean KIND     what its checker says, once it is unmounted
#   filesystem_check KIND     unmounts it; fails unless it is clean

disk()
{
	local serial

	serial=$(grep -l -x "$1" /sys/block/*/serial) ||
		fail "no disk named $1: the case needs the profile 'disks'"
	serial=${serial%/serial}
	echo "/dev/${serial##*/}"
}

filesystem_modules()
{
	local module

	grep -q -w "$1" /proc/filesystems && return
	while read -r module; do
		[ -e "/sys/module/$(echo "${module%.ko}" | tr - _)" ] ||
			modctl load "/tools/modules/$module" || fail "$module: refused"
	done <"/tools/modules/$1.order"
}

filesystem_make()
{
	local device

	device=$(disk "$1")
	filesystem_modules "$1"
	# That of an earlier case
	! grep -q " /$1 " /proc/mounts || umount "/$1" || fail "$1 is busy: $(fuser -m "/$1" 2>/dev/null)"
	case $1 in
	ext3)	/usr/sbin/mke2fs -q -F -t ext3 "$device" ;;
	ext4)	mkfs.ext4 -q -F "$device" ;;
	xfs)	mkfs.xfs -q -f "$device" ;;
	btrfs)	mkfs.btrfs -q -f "$device" >/dev/null ;;
	esac || fail "mkfs.$1 on $device"
	mkdir -p "/$1"
	mount -t "$1" "$device" "/$1" || fail "$1 is not mounted"
}

filesystem_remount()
{
	umount "/$1" || fail "$1 is busy: $(fuser -m "/$1" 2>/dev/null)"
	mount -t "$1" "$(disk "$1")" "/$1" || fail "$1 is not mounted again"
}

filesystem_clean()
{
	local device

	device=$(disk "$1")
	case $1 in
	ext[34])	e2fsck -fn "$device" ;;
	xfs)	xfs_repair -n "$device" ;;
	btrfs)	btrfs check --readonly "$device" ;;
	esac >/tmp/fsck.out 2>&1
}

filesystem_check()
{
	umount "/$1" || fail "$1 is busy: $(fuser -m "/$1" 2>/dev/null)"
	if ! filesystem_clean "$1"; then
		cat /tmp/fsck.out
		fail "the file system $1 is damaged"
	fi
}
