# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154 # variables of lib.sh and workload
#
# Sourced by workload: page cache while it is volatile. Each way to a page's
# content is taken when the pages are known to be volatile, and has to have met
# them; which hook and which of its callers made them stable is on record in
# the histogram of stacks of the module's own tracepoint.

# shellcheck source=tests/cases/guest/disks.sh
. /cases/disks.sh

pages=1024
histogram=/sys/kernel/tracing/events/pagehint/pagehint_use/trigger

# The disk with XFS, whose folios are large, and one named swap, never used.
cache_prepare()
{
	filesystem_make xfs
}

# From here on page cache becomes volatile. Switched on and not loaded so: code
# is patched while nothing else happens.
cache_on()
{
	echo "hist:keys=stacktrace:size=4096" >$histogram || fail "no histogram of stacks"
	set_parameter volatile 1
	cache_ready
}

cache_ready()
{
	left=200
	until grep -q '^volatile on' "$debugfs/backend"; do
		left=$((left - 1))
		[ $left -gt 0 ] || fail "pages do not become volatile: $(grep volatile "$debugfs/backend")"
		sleep 0.1
	done
}

cache_histogram()
{
	cat "${histogram%/trigger}/hist"
	echo "!hist:keys=stacktrace" >$histogram
}

# settle LEAST WHEN: until so many frames are volatile, of little that is in the page cache
settle()
{
	left=400
	until [ "$(frames volatile)" -ge "$1" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || {
			grep . "$debugfs/states" "$debugfs/refused" | grep -v ' 0$'
			fail "$(frames volatile) frames are volatile $2, expected $1"
		}
		sleep 0.1
	done
}

# Frames that were volatile and are not: found by somebody, or freed
met()
{
	awk '/^nr_volatile_(kept|discarded|freed) / { sum += $2 } END { print sum }' \
		"$debugfs/counters"
}

# way DIRECTORY NAME LEAST: takes it when the file is volatile; so many frames
# of it have to be met
way()
{
	settle $((pages * 9 / 10)) "before $2"
	before=$(met)
	cacheways "$2" "$1/file" $pages "$seed" || fail "$1: $2: wrong contents"
	after=$(met)
	[ $((after - before)) -ge "$3" ] ||
		fail "$1: $2: $((after - before)) volatile frames met, expected $3"
}

# A mapping that is left alone: its pages are unmapped, become volatile, and are found by
# page faults.
idle_mapping()
{
	settle $((pages * 9 / 10)) "before map_idle"
	before=$(counter nr_mapped_unmapped)
	: >/tmp/idle.on
	cacheways map_idle "$1/file" $pages "$seed" &
	idle=$!
	left=600
	until [ $(($(counter nr_mapped_unmapped) - before)) -ge "$2" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || fail "$1: idle: $(($(counter nr_mapped_unmapped) - before)) pages unmapped, expected $2"
		sleep 0.1
	done
	settle $((pages * 9 / 10)) "of an idle mapping"
	before=$(met)
	rm /tmp/idle.on
	wait $idle || fail "$1: idle: wrong contents"
	after=$(met)
	[ $((after - before)) -ge "$2" ] ||
		fail "$1: idle: $((after - before)) volatile frames met, expected $2"
}

# Each way alone. A file that was written has buffers; after it was dropped and
# read again it has none, and its folios are as large as the file system has them.
cache_ways()
{
	most=$((pages * 8 / 10))
	echo 3 >/proc/sys/vm/drop_caches
	cacheways make "$1/file" $pages "$seed" || fail "$1: make"
	for source in written read; do
		way "$1" read $most
		way "$1" map $most
		idle_mapping "$1" $most
		way "$1" map_populated $most
		way "$1" map_locked $most
		way "$1" map_source $most
		way "$1" map_private $most
		way "$1" map_written $most
		way "$1" mincore $most
		way "$1" sendfile $most
		way "$1" splice $most
		way "$1" copy_range 0	# XFS shares the blocks and copies nothing
		way "$1" write $most
		way "$1" direct_read 0
		way "$1" truncate $most
		way "$1" direct_write $most
		way "$1" forget $most
		way "$1" punch $most
		[ $source = written ] || break
		echo 1 >/proc/sys/vm/drop_caches
		cacheways read "$1/file" $pages "$seed" || fail "$1: wrong contents"
	done
	settle $((pages * 9 / 10)) "before reclaim"
	reclaim_some "$1"
	rm "$1/file"
}

# Reclaim, and a program out of the page cache
reclaim_some()
{
	before=$(counter nr_volatile_freed)
	memory_pressure
	[ "$(counter nr_volatile_freed)" -gt "$before" ] || fail "no volatile page was reclaimed"
	cacheways read "$1/file" $pages "$seed" || fail "$1: wrong contents after reclaim"
	cp /bin/busybox "$1/busybox"
	sync
	settle 200 "of a program"
	"$1/busybox" true || fail "$1: a program does not run"
	settle 200 "of a program"
	"$1/busybox" md5sum /bin/busybox >/dev/null || fail "$1: a program does not run"
	rm "$1/busybox"
}

memory_pressure()
{
	[ -e /cgroup/memory.reclaim ] || {
		mkdir -p /cgroup
		mount -t cgroup2 cgroup /cgroup || fail "no cgroup2"
	}
	echo 2M >/cgroup/memory.reclaim || :	# all of 2 MiB or not
}

# migrated DIRECTORY ATTEMPT: files of a page each, every other removed: what is left is
# volatile, and moves, unless it lies at the end of memory already.
migrated()
{
	scatter make "$1/pieces$2" 1600 4096
	scatter thin "$1/pieces$2" 1600
	sync
	settle $((800 * $2 - 160)) "before compaction"
	before=$(met)
	echo 1 >/proc/sys/vm/compact_memory
	after=$(met)
	settle $((800 * $2 - 160)) "after compaction"
	echo 24 >/proc/sys/vm/nr_hugepages
	echo 0 >/proc/sys/vm/nr_hugepages
	scatter check "$1/pieces$2" 1600 4096 || fail "$1: migrated: wrong contents"
	echo "compaction: $((after - before)) volatile pages moved"
	[ $((after - before)) -ge 100 ]
}

# Pieces that were not moved keep their place, so that the next ones lie elsewhere.
cache_migration()
{
	attempt=1
	until migrated "$1" $attempt; do
		[ $attempt -lt 6 ] || fail "$1: compaction moves no volatile page"
		attempt=$((attempt + 1))
	done
	rm -r "$1"/pieces*
}

# All at once, for SECONDS
cache_mix()
{
	cacheways make "$1/file" $pages "$seed" || fail "$1: make"
	running=
	for _ in 1 2 3; do
		cacheways mix "$1/file" $pages "$seed" "$2" &
		running="$running $!"
	done
	action=0
	# shellcheck disable=SC2086 # several
	while kill -0 $running 2>/dev/null; do
		case $action in
		0)	echo 1 >/proc/sys/vm/compact_memory ;;
		1)	echo 1 >/proc/sys/vm/drop_caches ;;
		2)	memory_pressure ;;
		esac
		action=$(((action + 1) % 3))
		sleep 0.2
	done
	for process in $running; do
		wait "$process" || fail "$1: mix: wrong contents"
	done
	cacheways read "$1/file" $pages "$seed" || fail "$1: mix: wrong contents"
	rm "$1/file"
}

# The frames of a file that goes are among those that the next 64 MiB take.
use_freed()
{
	rm "$disk/file" &&
		memload fill "$tmp/file" 64 "$seed" &&
		memload check "$tmp/file" 64 "$seed" &&
		rm "$tmp/file"
}

# One access settles it: the way that leads past the hook that is left out
cache_control()
{
	set_parameter volatile 1
	cache_ready
	echo 3 >/proc/sys/vm/drop_caches
	cacheways make "$disk/file" $pages "$seed" || fail "make"
	settle $((pages * 9 / 10)) "before a control"
	case $1 in
	filemap_get_folio)	cacheways map_written "$disk/file" $pages "$seed" ;;
	filemap_get_read_batch)	cacheways read "$disk/file" $pages "$seed" ;;
	next_uptodate_page)	cacheways map "$disk/file" $pages "$seed" ;;
	folio_migrate_mapping)	cache_migration "$disk" ;;
	mm_page_free_volatile)	use_freed ;;
	esac || fail "$1: wrong contents"
	rm -f "$disk/file"
}
