# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # the variables of vm.sh
#
# Sourced by vm.sh: disks that the guest knows by name, as virtio's serial
# (tests/cases/guest/disks.sh finds them). They are raw files, cache=unsafe.
#
#   vm_root     yes: the read-only file system root-KERNEL.img (tests/vm/root-image),
#               which the guest's init mounts at /tools, with programs in its PATH
#   vm_scratch  array NAME=MIB: empty sparse disks in $vm_dir, disk-NAME; a case
#               makes file systems there

vm_named_disk_options()
{
	local disk image=$build/vm/root-$vm_kernel.img

	if [ "$vm_root" = yes ]; then
		[ -e "$image" ] || die "no ${image#"$top/"}: run 'make vm' first"
		vm_named_disk tools "$image" ,readonly=on
	fi
	for disk in "${vm_scratch[@]}"; do
		truncate -s "${disk#*=}M" "$vm_dir/disk-${disk%%=*}"
		vm_named_disk "${disk%%=*}" "$vm_dir/disk-${disk%%=*}"
	done
}

# vm_named_disk NAME FILE [OPTIONS]
vm_named_disk()
{
	vm_qemu+=(-drive "file=$2,if=none,id=disk-$1,format=raw,cache=unsafe,discard=unmap${3:-}"
		-device "virtio-blk-$vm_bus,drive=disk-$1,serial=$1")
}

# What all of them may come to need, in MiB
vm_scratch_size()
{
	local disk sum=0

	for disk in "${vm_scratch[@]}"; do
		sum=$((sum + ${disk#*=}))
	done
	printf '%s' $sum
}
