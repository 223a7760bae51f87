# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154 # the variables of lib.sh, and of the cases
#
# races.sh: the directed tests of volatile pages. Sourced after lib.sh and
# disks.sh by the cases race (both halves) and race_end (a guest that may die
# of the second half).
#
#   race_set NAME	what the test is:
#	rule		rule or hook that is left out in the second half
#	program		pagerace, or movecheck for move_WAY: mapped pages that are moved
#	scenario	of it (tests/guest)
#	fs		the file system: xfs where nothing speaks against it, as
#			the programs that this guest runs are on ext4; ext3, by ext4's driver,
#			where readers and writers must not exclude each other; slow:
#			xfs on a disk that takes 20 ms
#	rounds		of it, in the first half, which goes on until the race was run into
#			so often as it must be; the second goes on until there is harm
#	rounds_without	of it, in the second half, each time; else ten times as many
#	options		of the module
#	options_without	more of them, in the second half
#	met		evidence that the race was run into, and how often at least:
#			NUMBER of "met" of the scenario, or of delays_met of the
#			module, or of REASON in the file refused
#   race_kept		first half; sets kept
#   race_without	second half; sets harm, or fails
# Neither half goes on for more than $patience.

race_set()
{
	program=pagerace
	fs=xfs
	options=
	rounds_without=
	options_without=
	case $1 in
	move_*)
		program=movecheck scenario=${1#move_}
		options="mapped=1 mapped_period_ms=100" ;;
	esac
	case $1 in
	readers_page)	# two readers of one dropped page
		rule=exclusive_recovery scenario=readers_page rounds=3 met="delays_met 10"
		options="delay_at=recover delay_us=8000" ;;
	readers_batch)	# two readers of one dropped batch, whose folios both saw uptodate
		rule=uptodate_retest scenario=readers_batch rounds=5 met="delays_met 10"
		options="delay_at=recover delay_us=1000" ;;
	reader_writer)	# late clearing of uptodate against a page that is written to
		rule=exclusive_recovery scenario=reader_writer fs=ext3 rounds=3 met="delays_met 10"
		options="delay_at=recover delay_us=8000" ;;
	fault_retest)	# fault-around meets dropped pages
		rule=uptodate_retest scenario=fault_around rounds=4 met="counter nr_volatile_discarded 200" ;;
	fault_hook)
		rule=next_uptodate_page scenario=fault_around rounds=4 met="counter nr_volatile_discarded 200" ;;
	fault_commit)	# page faults against commit
		rule=next_uptodate_page scenario=fault_commit rounds=200 met="delays_met 5"
		options="delay_at=commit delay_us=4000" ;;
	dirty)		# a GUP holder that dirties the page against commit
		rule=frozen_test scenario=dirty rounds=50 met="scenario 4"
		options="delay_at=commit delay_us=3000" ;;
	migrate)	# compaction's copy of pages that the host dropped
		rule=folio_migrate_mapping scenario=migrate rounds=4 met="scenario 200"
		# Without the hook its copies are no candidates: a second round would wait for
		# them in vain, if the host, told by calls, dropped no page before it was copied.
		rounds_without=1 ;;
	large)		# a large folio of which the host dropped one page
		rule=large_tails scenario=large rounds=3 met="scenario 500"
		options="drop_every=16" ;;
	truncate)	# truncation and reclaim against recovery; what they free is volatile
		rule=mm_page_free_volatile scenario=truncate fs=ext4 rounds=40
		met="counter nr_volatile_freed 1000"
		options="unused=0 delay_at=recover delay_us=2000"
		# A frame does harm that was freed, and is used by others, between two looks of
		# the host: these are farther apart.
		options_without="loop_pause_us=50000" ;;
	nmi)		# a lookup in NMI meets a folio that is frozen on the same CPU
		rule=nmi_miss scenario=nmi rounds=5 met="scenario 10"
		options="delay_at=frozen delay_us=4000" ;;
	writeback)	# writeback ends while its folio would be frozen
		rule=writeback_test scenario=writeback fs=slow rounds=20 met="refused writeback 20"
		options="delay_at=frozen delay_us=40000" ;;
	move_contig)	# frees what is clean instead of moving it
		rule=mm_page_free_volatile rounds=3 met="scenario 300"
		options="$options unused=0" ;;
	move_compact)	# copies from frames that the host dropped
		rule=folio_migrate_mapping rounds=2 met="scenario 300" ;;
	move_hugepages)	# the same, and reclaim
		rule=next_uptodate_page rounds=2 met="scenario 300" ;;
	move_offline)	# its notifier makes stable before anything is moved
		rule=next_uptodate_page rounds=3 met="scenario 100" ;;
	move_nodes)	# by page tables: what is found there is stable
		rule=next_uptodate_page rounds=12 met="scenario 1000" ;;
	move_balance)	# How much is balanced in a round is the kernel's choice.
		rule=next_uptodate_page rounds=4 met="scenario 100" patience=300 ;;
	move_huge)	# huge pages of the page cache, split while mapped and while dropped
		rule=next_uptodate_page rounds=4 met="scenario 4096" ;;
	*)	fail "no race '$1'" ;;
	esac
}

# The hostile host takes what it may within milliseconds. Only the file system of
# the test takes part: the harm is to stay in its file.
race_load()
{
	# shellcheck disable=SC2046,SC2086 # several options
	load_test $(hostile_host) loop_pause_us=3000 volatile=1 volatile_delay_ms=10 volatile_evict=0 \
		"volatile_filesystems=$kind" $options "$@"
}

race_prepare()
{
	[ -e /dev/pagerace ] || modctl load /modules/pagerace.ko || fail "pagerace.ko: refused"
	kind=$fs
	if [ "$fs" = slow ]; then
		kind=xfs
		memory_disk_mounted slow 20000000
	elif ! grep -q " /$fs " /proc/mounts; then
		filesystem_make "$fs"
	fi
	rm -f "/$fs/race"
}

# race_run ROUNDS: its output in /tmp/race.out, its status as the program's
race_run()
{
	$program "$scenario" "/$fs/race" "$1" >/tmp/race.out 2>&1
}

# evidence KIND [NAME] NUMBER: was the race met so often since the module was loaded? Sets found.
evidence()
{
	case $1 in
	delays_met)	found=$(cat "$parameters/delays_met") ;;
	scenario)	found=$((found + $(sed -n 's/.* \([0-9]*\) met,.*/\1/p' /tmp/race.out))) ;;
	refused)	found=$(value refused "$2"); shift ;;
	counter)	found=$(counter "$2"); shift ;;
	esac
	[ "$found" -ge "$2" ]
}

# All rounds, with every word right
race_met()
{
	race_run "$rounds" || {
		cat /tmp/race.out "$debugfs/counters" "$debugfs/refused" "$debugfs/states"
		fail "harm with every rule kept"
	}
	# shellcheck disable=SC2086 # its words
	evidence $met
}

race_kept()
{
	race_prepare
	race_load
	found=0
	comes_true race_met || {
		cat /tmp/race.out "$debugfs/counters" "$debugfs/refused"
		fail "the race was met $found times, expected ${met##* } at least: nothing was tested"
	}
	[ "$(frames illegal)" = 0 ] || fail "illegal states"
	[ "$(counter nr_mapped_not_stable)" = 0 ] ||
		fail "$(counter nr_mapped_not_stable) times a volatile page was mapped"
	set_parameter delay_us 0
	unload
	pagerace read "/$fs/race" || fail "not readable afterwards"
	kept="$(tail -n 1 /tmp/race.out), met $found times"
}

race_harms()
{
	! race_run "${rounds_without:-$((rounds * 10))}"
}

race_without()
{
	race_prepare
	# shellcheck disable=SC2086 # none or one
	race_load "leave_out=$rule" $options_without
	comes_true race_harms || {
		cat /tmp/race.out
		fail "no harm without $rule: the test does not test it"
	}
	harm=$(grep -m 1 MISMATCH /tmp/race.out) || { cat /tmp/race.out; fail "the scenario did not run"; }
	set_parameter delay_us 0
	unload
	rm "/$fs/race"
}
