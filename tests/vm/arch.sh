# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced after tests/lib.sh: what differs between the architectures that guests are
# of, and nowhere else, but for the options of QEMU (vm.sh).

machine_arch=$(dpkg --print-architecture)

# arch_field ARCH FIELD:
#   triplet    of GNU, in the names of tools and directories
#   kbuild     what the kernel calls it
#   cross      what the names of its compiler and linker begin with here
#   guest      where the guest's programs are built, below build/
#   modules    modules that init inserts, dependencies before
#   spare      modules for the cases, not inserted
arch_field()
{
	case $1.$2 in
	amd64.triplet)	echo x86_64-linux-gnu ;;
	s390x.triplet)	echo s390x-linux-gnu ;;
	amd64.kbuild)	echo x86 ;;
	s390x.kbuild)	echo s390 ;;
	*.cross)	if is_foreign "$1"; then echo "$(arch_field "$1" triplet)-"; fi ;;
	*.guest)	if is_foreign "$1"; then echo "guest-$1"; else echo guest; fi ;;
	amd64.modules)	echo virtio_pci virtio_console virtio_blk ;;
	s390x.modules)	echo virtio_console virtio_blk ext4 ;;
	amd64.spare)	echo virtio_balloon virtio_mem null_blk zram lzo-rle ;;
	s390x.spare)	echo virtio_balloon null_blk ;;
	*)		die "arch_field: nothing is known of '$2' on '$1'" ;;
	esac
}

# is_foreign ARCH: its programs do not run here
is_foreign()
{
	[ "$1" != "$machine_arch" ]
}
