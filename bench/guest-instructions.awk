# SPDX-License-Identifier: GPL-2.0
#
# From lines "when name ticks" to lines `name value unit`, and the verdict. The
# base is the mean of before and after: a free list that got longer or shorter
# in between costs a few instructions more or less.

{
	ticks[$1, $2] = $3
	if ($1 ~ /^hook_/ && !($1 in variant)) {
		variant[$1] = 1
		variants[++nr_variants] = $1
	}
	if (!($2 in seen)) {
		seen[$2] = 1
		order[++nr] = $2
	}
}

END {
	for (i = 1; i <= nr; i++) {
		name = order[i]
		base = (ticks["before", name] + ticks["after", name]) / 2
		if (!base || !ticks["with", name]) {
			printf "no figure for %s\n", name >"/dev/stderr"
			exit 1
		}
		added = ticks["with", name] - base
		printf "instructions_%s_without %.1f instructions\n", name, base
		printf "instructions_%s_added %.1f instructions\n", name, added
		printf "instructions_%s_added_percent %.2f %%\n", name, 100 * added / base
		if (name ~ /page$|page_refill/ && added > page_budget) {
			printf "%s: %.1f instructions per page added; the budget is %d\n",
			       name, added, page_budget >"/dev/stderr"
			missed = 1
		}
		if (name ~ /fault|fork/ && 100 * added / base > task_budget) {
			printf "%s: %.2f %% instructions added; the budget is %.1f %%\n",
			       name, 100 * added / base, task_budget >"/dev/stderr"
			missed = 1
		}
	}
	for (i = 2; i <= nr_variants; i++) {
		name = variants[i]
		printf "instructions_%s_page %.1f instructions\n", name,
		       ticks[name, "page"] - ticks["hook_off", "page"]
		printf "instructions_%s_order3_page %.1f instructions\n", name,
		       ticks[name, "order3_page"] - ticks["hook_off", "order3_page"]
	}
	exit missed
}
