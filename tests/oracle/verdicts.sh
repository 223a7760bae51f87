# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by run: what the oracle's report (report.c) and the module's own
# figures, both in $log, say about a run. Phase 1 is the module with all its
# hooks, the phases after it lack one each. A verdict is a status, and a
# sentence in its last line.
# shellcheck disable=SC2154 # log: the directory of the run

# report_complete PHASES: was it written to its end, without a complaint?
report_complete()
{
	if [ "$(tail -n 1 "$log/report")" != $'end\t'"$1" ]; then
		echo "the report is cut off, or has not $1 phases: $(tail -n 1 "$log/report")"
		return 1
	fi
	! grep '^complaint' "$log/report"
}

# figure PHASE NAME
figure()
{
	awk -F '\t' -v phase="$1" -v name="$2" '
		$1 == "phase" && $2 == phase && $3 == name { print $4; found = 1 }
		END { if (!found) print "missing" }' "$log/report"
}

# at_least PHASE NAME NUMBER
at_least()
{
	local value
	value=$(figure "$1" "$2")
	if [ "$value" = missing ] || [ "$value" -lt "$3" ]; then
		echo "$2: expected at least $3, found $value"
		return 1
	fi
}

# at_most PHASE NAME NUMBER
at_most()
{
	local value
	value=$(figure "$1" "$2")
	if [ "$value" = missing ] || [ "$value" -gt "$3" ]; then
		echo "$2: expected at most $3, found $value"
		return 1
	fi
}

# exactly_zero PHASE NAME
exactly_zero()
{
	local value
	value=$(figure "$1" "$2")
	if [ "$value" != 0 ]; then
		echo "$2: expected 0, found $value"
		return 1
	fi
}

# worst PHASE USAGE: the most frequent violations
worst()
{
	awk -F '\t' -v phase="$1" -v usage="$2" '
		$1 == "violation" && $2 == phase && $4 == usage && n++ < 3 {
			printf("%s%s by %s: %s", separator, $5, $6, $3)
			separator = "; "
		}' "$log/report"
}

# Did it look at all, and at the right places? That the allocator's zeroing
# shows, which is excepted, is the proof that accesses to unused frames show.
watched_verdict()
{
	at_least 1 cpus 2 || return
	at_least 1 checked 100000000 || return
	at_least 1 verified 100000 || return
	exactly_zero 1 differing || return
	exactly_zero 1 unresolved || return
	at_most 1 unplaced 1000 || return
	at_least 1 crossing 1000 || return
	at_least 1 unused_frames_max 20000 || return
	at_least 1 unused_frames_accessed 5000 || return
	at_least 1 excepted 1000000 || return
	at_least 1 volatile_frames_max 1000 || return
	echo "$(figure 1 checked) accesses checked; $(figure 1 unused_frames_accessed)" \
		"unused frames seen being zeroed, $(figure 1 unused_frames_max) unused and" \
		"$(figure 1 volatile_frames_max) volatile at most"
}

# The ways of a page that the load has to take, as the module's probes count.
# Reporting, and with it putback, comes every two seconds at most.
paths_verdict()
{
	local target least calls text='' bulk=alloc_pages_bulk_noprof compaction="compaction_alloc 100"

	case $kernel in
	6.1-*)	bulk=__alloc_pages_bulk compaction='' ;;
	esac
	while read -r target least; do
		[ -n "$target" ] || continue
		calls=$(awk -v target="$target" '
			$1 == target && $3 == "attached" { for (i = 2; i < NF; i++) if ($i == "calls") print $(i + 1) }
			' "$log/probes")
		if ! [[ $calls =~ ^[0-9]+$ ]]; then
			echo "debugfs has no count of calls of $target"
			return 1
		fi
		if [ "$calls" -lt "$least" ]; then
			echo "$target: expected at least $least calls, found $calls"
			return 1
		fi
		text+="$target $calls, "
	done <<-END
		mm_page_alloc 10000
		$bulk 100
		__isolate_free_page 100
		mm_page_free 10000
		__putback_isolated_page 5
		$compaction
	END
	echo "calls: ${text%, }"
}

# Who made volatile folios stable, by the stacks of the module's tracepoint: each
# hook, and behind the one for single folios those of its callers that want the
# content. A histogram's line of a stack is FUNCTION+OFFSET/SIZE [MODULE]; the compiler may add a
# suffix to FUNCTION.
stacks_verdict()
{
	local function least met text='' splice=filemap_splice_read incore=filemap_get_incore_folio
	local written=50 cut=20

	# Files that were written have large folios on XFS from 6.6 on: there are fewer folios.
	case $kernel in
	6.1-*)	splice=generic_file_splice_read incore=find_get_incore_page written=300 cut=50 ;;
	esac
	while read -r function least; do
		met=$(awk -v name="$function" '
			index($1, name "+") == 1 || index($1, name ".") == 1 { seen = 1 }
			/hitcount:/ { sub(/.*hitcount: */, ""); if (seen) sum += $1; seen = 0 }
			END { print sum + 0 }' "$log/stacks")
		if [ "$met" -lt "$least" ]; then
			echo "$function: expected at least $least volatile folios, found $met:" \
				"${log#"$top/"}/stacks"
			return 1
		fi
		text+="$function $met, "
	done <<-END
		filemap_get_pages 2000
		$splice 1000
		map_another 2000
		use_found 2000
		filemap_fault 1000
		$incore 1000
		ext4_da_write_begin 500
		iomap_write_begin $written
		truncate_inode_pages_range $cut
		probe_copy 200
	END
	echo "volatile folios: ${text%, }"
}

# Mapped pages that were unmapped because they were idle, and mapped again
mapped_verdict()
{
	local counter least value text=''

	while read -r counter least; do
		value=$(awk -v name="$counter" '$1 == name { print $2 }' "$log/counters")
		if ! [[ $value =~ ^[0-9]+$ ]] || [ "$value" -lt "$least" ]; then
			echo "$counter: expected at least $least, found '$value'"
			return 1
		fi
		text+="$counter $value, "
	done <<-END
		nr_mapped_looked 500
		nr_mapped_unmapped 2000
		nr_mapped_came_back 100
	END
	echo "${text%, }"
}

# usage_verdict USAGE: in the phase with all hooks
usage_verdict()
{
	local violations
	violations=$(figure 1 "violations_$1")
	if [ "$violations" != 0 ]; then
		echo "$violations accesses to frames that are $1: $(worst 1 "$1");" \
			"all are in ${log#"$top/"}/report"
		return 1
	fi
	# What found no room in its table is of either usage.
	exactly_zero 1 sites_without_room || return
	echo "no access to a frame that is $1"
}

# control_verdict PHASE USAGE
control_verdict()
{
	local more

	at_least "$1" "violations_$2" 1 || return
	more=$(figure "$1" sites_without_room)
	[ "$more" = 0 ] || more=" (and $more whose place is not known)"
	echo "$(figure "$1" "violations_$2") accesses to $2 frames${more#0}: $(worst "$1" "$2")"
}
