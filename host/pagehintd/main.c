// SPDX-License-Identifier: GPL-2.0
/* pagehintd: takes memory back that guests do not use. See pagehintd.8. */
#include "pagehintd.h"

int main(int argc, char **argv)
{
	static struct options options;
	int result = options_parse(&options, argc, argv);

	if (result)
		return result < 0 ? EXIT_OK : result;
	if (options.status)
		return ask_status(options.control);
	if (options.drop.bytes)
		return ask_drop(options.control, &options.drop);
	result = files_open(options.vm, options.nr_vms);
	if (result != EXIT_OK)
		return result;
	return supervise(options.vm, options.nr_vms, options.control);
}
