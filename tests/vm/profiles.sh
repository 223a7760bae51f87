# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # variables of vm.sh
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
