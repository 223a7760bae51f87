// SPDX-License-Identifier: GPL-2.0
/*
 * taskexit: a program that does nothing, linked dynamically, for taskcost to execute:
 * its library and the loader are what costs.
 */
int main(void)
{
	return 0;
}
