# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by vm.sh: problems that a case brings about on purpose. A case says
# so in a line of its own, `# console: NAME...`; its names:
#
#   panic     one report of a panic by sysrq-c
#   oom       reports of the OOM killer, whole ones
#
# What is excused are the lines of the report itself that look like a problem,
# between its first line and its last, and only if it has a last line. BUG,
# WARNING and the rest are problems in there too.

# vm_console_excuse NAME...: standard input without what is excused
vm_console_excuse()
{
	local name text
	text=$(cat)

	for name; do
		case $name in
		panic)	text=$(excuse_report 1 \
				'Kernel panic - not syncing: sysrq triggered crash$' \
				'</TASK>$' <<<"$text") ;;
		oom)	text=$(excuse_report 1000 \
				' invoked oom-killer: gfp_mask=' \
				'(Out of memory|Memory cgroup out of memory): Killed process ' <<<"$text") ;;
		*)	echo "init: no excuse is named $name" ;;
		esac
	done
	printf '%s\n' "$text"
}

# excuse_report MOST FIRST LAST: takes the line FIRST and `Call Trace:` out of
# at most MOST reports
excuse_report()
{
	awk -v most="$1" -v first="$2" -v last="$3" '
		function flush_kept() {
			for (i = 1; i <= kept; i++)
				print lines[i]
			kept = 0
		}
		!inside && reports < most && $0 ~ first {
			inside = 1
			kept = 0
		}
		!inside { print; next }
		{ lines[++kept] = $0 }
		$0 ~ last {
			for (i = 1; i <= kept; i++)
				if (lines[i] !~ first && lines[i] !~ /Call Trace:$/)
					print lines[i]
			kept = inside = 0
			reports++
		}
		END { flush_kept() }'
}
