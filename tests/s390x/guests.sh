# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # the variables of vm.sh and of tests/vm/run
#
# Sourced by tests/vm/run (--with): the guests of s390x that tests/vm/profiles.sh does not
# have, and the accounts of what those with ESSA (docs/qemu-essa.md) told their hypervisor
# and what it took.
#
#   small            half of the memory
#   large_blocks     as races: blocks of memory are of 256 MiB there, and the last one, with
#                    what the kernel reserved at boot, never goes offline
#   essa             the kernel's own CMMA tells of free memory (cmma=on, its default)
#   essa_off         the module does (cmma=off)
#   essa_gone        every volatile page is taken at once
#   ..._disks, ..._races   with the disks of these profiles
#   ..._still        nothing is taken but on demand
#   essa_quiet_races nothing is taken at all
#
# After every case of theirs: no access was interrupted because its frame was discarded (0x1a), and
# no device met a frame that was not stable, or the case has failed. Each of them is a
# getter that was missed, though the module may have recovered it. The rows of
# build/log/s390x/essa.tsv, from which the report is made: CMMA, case, key, number.

essa_rows=$build/log/s390x/essa.tsv
essa_memory=$build/log/s390x/memory.tsv
mkdir -p "${essa_rows%/*}"
: >"$essa_rows"
: >"$essa_memory"

# What the hypervisor takes, in frames a second: all of 1 GiB in some seconds
essa_rates=random-unused=40000,random-volatile=40000

# essa_guest CMMA RATES
essa_guest()
{
	vm_program=$("$top/tests/qemu/path" s390x) || die "no QEMU with ESSA"
	vm_args+=(-device "s390-essa,id=essa,io-fatal=on${2:+,$2}")
	vm_cmdline+=" cmma=$1"
	essa_cmma=$1
}

profile_small()
{
	vm_mem=512
}

profile_large_blocks()
{
	profile_races
	vm_mem=1280
	vm_cmdline="movablecore=640M"
}

profile_essa()           { essa_guest on $essa_rates; }
profile_essa_off()       { essa_guest off $essa_rates; }
profile_essa_off_small() { profile_small; essa_guest off $essa_rates; }
profile_essa_gone()      { essa_guest on random-volatile=400000; }
profile_essa_off_gone()  { essa_guest off random-volatile=400000; }
profile_essa_disks()     { profile_disks; essa_guest on $essa_rates; }
profile_essa_off_disks() { profile_disks; essa_guest off $essa_rates; }
profile_essa_races()     { profile_large_blocks; essa_guest on random-volatile=400000; }
profile_essa_off_races() { profile_large_blocks; essa_guest off random-volatile=400000; }
profile_essa_still()     { profile_shm_cache; vm_table=0; essa_guest on ""; }
profile_essa_off_still() { profile_shm_cache; vm_table=0; essa_guest off ""; }
profile_essa_quiet_races() { essa_guest on ""; }

is_essa()
{
	[[ $guest_profile == */essa* ]]
}

# A line `KEY NUMBER` each
essa_statistics()
{
	vm_qmp qom-get '{"path": "/machine/peripheral/essa", "property": "statistics"}' |
		grep -o '"[a-zA-Z-]*": [0-9]*' | tr -d '":'
}

# Those that are about the interruption bring it about (a line `# faults:` in the case).
wants_faults()
{
	grep -q '^# faults: ' "$top/tests/cases"/{guest,host}/"${1%%.*}" 2>/dev/null
}

# essa_account NAME: what was counted since the last time; sets essa_faults, essa_taken
essa_account()
{
	local now key number

	now=$(essa_statistics)
	essa_faults=0
	essa_taken=0
	while read -r key number; do
		case $key in frames-*) continue ;; esac
		number=$((number - ${essa_counted[$key]:-0}))
		essa_counted[$key]=$((${essa_counted[$key]:-0} + number))
		case $key in
		faults | io-*)	essa_faults=$((essa_faults + number)) ;;
		discarded-*)	essa_taken=$((essa_taken + number)) ;;
		esac
		if [ "$key" = faults ] && wants_faults "$1"; then
			key=faults-wanted
		fi
		printf '%s\t%s\t%s\t%s\n' "$essa_cmma" "$1" "$key" "$number" >>"$essa_rows"
	done <<<"$now"
	[ ${#essa_counted[@]} -gt 0 ]
}

# Called by tests/vm/run
guest_started()
{
	is_essa || return 0
	declare -gA essa_counted=()
	essa_account "boot $vm_mem MiB"
}

case_ended()
{
	is_essa && vm_alive || return 0
	essa_account "$1" || return
	# Races have evidence of their own.
	[ "$essa_taken" != 0 ] || [[ $guest_profile == *_races ]] || { echo "the hypervisor took nothing: nothing was tested"; return 1; }
	[ "$essa_faults" = 0 ] || wants_faults "$1" ||
		{ echo "$essa_faults accesses to discarded frames, by CPUs or devices: expected none"; return 1; }
}

run_ended()
{
	[ ! -s "$essa_rows" ] || awk -f "$top/tests/s390x/report.awk" "$essa_rows" "$essa_memory"
}
