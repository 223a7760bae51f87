# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables of vm.sh
#
# Sourced: the kinds of guest that the table of cases names. profile_NAME is
# called after vm_defaults.

# No hint table: backends loop and null
profile_plain()
{
	:
}

# Memory and hint table in files, as with pagehintd
profile_shm()
{
	vm_shared=yes
	vm_table=$((1 << 20))
}

# The same, and the guest may reset
profile_shm_reset()
{
	profile_shm
	vm_reset=allow
}

# One CPU in the guest; maxcpus=2 keeps its atomics atomic against the host
profile_shm_up()
{
	profile_shm
	vm_smp=1,maxcpus=2
}

# One CPU without a table: LOCK prefixes are patched out of the kernel's code
profile_plain_up()
{
	vm_smp=1,maxcpus=2
}

# A table for less memory than the guest has
profile_small_table()
{
	vm_table=$((1 << 17))
}

# Freed memory is zeroed by the kernel and must be zeros when it is allocated
profile_init_on_free()
{
	vm_cmdline=init_on_free=1
}

# As shm: for cases that end this guest and boot others on its files
profile_shm_restart()
{
	profile_shm
}

# Two NUMA nodes, each with a RAM file and a socket of its own
profile_numa()
{
	profile_shm
	vm_smp=2,sockets=2
	vm_nodes=2
}

# Memory on both sides of the PCI hole: 3 GiB below 4 GiB, 1.5 GiB above
profile_pci_hole()
{
	profile_shm
	vm_mem=4608
	vm_table=$((1 << 21))
}

# Besides us, a balloon that reports free pages
profile_balloon()
{
	profile_shm
	vm_args=(-device "virtio-balloon-pci,free-page-reporting=on")
}

# The guest may start its own kernel and initramfs anew, by kexec or when it
# crashes. Both are small disks: /dev/vdb, /dev/vdc.
# shellcheck disable=SC2054 # QEMU's commas
profile_shm_kexec()
{
	profile_shm_reset
	vm_cmdline=crashkernel=160M
	vm_args=(-drive "file=$cache/kernels/$vm_kernel/vmlinuz,if=none,id=vmlinuz,format=raw,readonly=on"
		-device virtio-blk-pci,drive=vmlinuz
		-drive "file=$vm_initrd,if=none,id=initrd,format=raw,readonly=on"
		-device virtio-blk-pci,drive=initrd)
}

# As shm, with a disk for 600 MiB of files
profile_shm_cache()
{
	profile_shm
	vm_disk=720
}

# Memory can be plugged, and half of what is there at boot can go offline
profile_shm_hotplug()
{
	profile_shm
	vm_table=$((2 << 20))
	vm_cmdline=movablecore=512M
	vm_args=(-m "slots=4,maxmem=8G")
}

# The guest may sleep: an image on /dev/vdb brings it back
profile_shm_sleep()
{
	profile_shm_reset
	vm_cmdline="resume=/dev/vdb hibernate=nocompress"
	vm_swap=1024
}

# Real file systems: programs at /tools, and a disk for each kind, which a case
# formats (tests/cases/guest/disks.sh). XFS takes no disk below 300 MiB.
profile_disks()
{
	vm_root=yes
	vm_scratch=(ext4=512 xfs=512 btrfs=1024 swap=256)
}

# The same, with memory and hint table in files
profile_shm_disks()
{
	profile_shm
	profile_disks
}

# Directed tests of volatile pages: memory that can go offline, too. Not where the
# kernel lies, which is anywhere with KASLR. And ext4's driver under a name that no
# other file system of the guest has.
profile_races()
{
	profile_disks
	vm_scratch+=(ext3=64)
	vm_cmdline="movablecore=384M nokaslr"
}

# The same with two nodes, each with a CPU of its own
profile_numa_races()
{
	profile_races
	vm_smp=2,sockets=2
	vm_nodes=2
}
