# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # what the sourcing script has
#
# Sourced after vm.sh by cases with more than one guest at a time: which of them
# the functions of vm.sh mean. They keep all about a guest in variables vm_*.

declare -A guests_kept
guest_selected=first

# guest_select NAME: the running guest is kept under its name (the first is
# "first"), and NAME is meant from now on; a new NAME is of the same kind, with
# nothing started.
guest_select()
{
	local name kernel=$vm_kernel initrd=$vm_initrd

	[ "$1" != "$guest_selected" ] || return 0
	guests_kept[$guest_selected]=$(for name in "${!vm_@}"; do declare -p "$name"; done |
		sed 's/^declare /declare -g /')
	guest_selected=$1
	if [ -n "${guests_kept[$1]:-}" ]; then
		eval "${guests_kept[$1]}"
		return
	fi
	vm_defaults
	vm_kernel=$kernel
	vm_initrd=$initrd
	vm_dir=
}
