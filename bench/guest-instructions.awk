# SPDX-License-Identifier: GPL-2.0
#
# From lines "when name ticks" to lines `name value unit`, and the verdict. The
# base is the mean of before and after: a free list that got longer or shorter
# in between costs a few instructions more or less.
#
# Budgets: of the design, for free memory (with), for page cache too (cache), and for
# what of it is mapped (mapped), of which only tasks are measured. A page fault on a file
# is one that maps sixteen pages of it, and their unmapping.

BEGIN {
	nr_states = split("with cache mapped", states)
	text["with"] = "free memory"
	text["cache"] = "page cache too"
	text["mapped"] = "mapped page cache too"
	infix["cache"] = "_cache"
	infix["mapped"] = "_mapped"
	page_budget = 60	# instructions, for each page allocated and freed
	task_budget = 1.0	# per cent
	task["with"] = "fault|fork"
	task["cache"] = "page_fault"
	task["mapped"] = "page_fault"
	file_budget = 2.0	# per cent, with page cache: of a page fault on a file, and of
				# a program, each page of which is mapped
	budget["read"] = 100
	budget["read_first"] = 200	# it was volatile, and is there
}

{
	ticks[$1, $2] = $3
	if ($1 ~ /^hook_/ && !($1 in variant)) {
		variant[$1] = 1
		variants[++nr_variants] = $1
	}
	if ($1 == "before")
		order[++nr] = $2
}

function miss(name, state, value, limit, unit)
{
	printf "%s (%s): %.2f %s added; the budget is %.1f\n", name, text[state], value,
	       unit, limit >"/dev/stderr"
	missed = 1
}

function judge(name, state, added, percent)
{
	if (name ~ /page$|page_refill/ && added > page_budget)
		miss(name, state, added, page_budget, "instructions per page")
	if (name ~ task[state] && percent > task_budget)
		miss(name, state, percent, task_budget, "% instructions")
	if (state != "with" && name ~ /^(fork|fault)_/ && percent > file_budget)
		miss(name, state, percent, file_budget, "% instructions")
	if (name in budget && added > budget[name])
		miss(name, state, added, budget[name], "instructions")
}

function report(name, base, state,	added)
{
	if (!ticks[state, name]) {
		printf "no figure for %s (%s)\n", name, state >"/dev/stderr"
		exit missed = 1
	}
	added = ticks[state, name] - base
	printf "instructions_%s%s_added %.1f instructions\n", name, infix[state], added
	printf "instructions_%s%s_added_percent %.2f %%\n", name, infix[state], 100 * added / base
	judge(name, state, added, 100 * added / base)
}

END {
	if (missed || !nr || !ticks["cache", "commit"]) {
		print "no figures: expected those of before, with, cache and after" >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= nr; i++) {
		name = order[i]
		base = (ticks["before", name] + ticks["after", name]) / 2
		if (!base || !ticks["after", name]) {
			printf "no figure for %s\n", name >"/dev/stderr"
			exit 1
		}
		printf "instructions_%s_without %.1f instructions\n", name, base
		for (s = 1; s <= nr_states; s++) {
			if (s < 3 || (states[s], name) in ticks)
				report(name, base, states[s])
		}
	}
	printf "instructions_commit %d instructions\n", ticks["cache", "commit"]
	for (i = 2; i <= nr_variants; i++) {
		name = variants[i]
		printf "instructions_%s_page %.1f instructions\n", name,
		       ticks[name, "page"] - ticks["hook_off", "page"]
		printf "instructions_%s_order3_page %.1f instructions\n", name,
		       ticks[name, "order3_page"] - ticks["hook_off", "order3_page"]
	}
	exit missed
}
