// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of the administrator, the worker's side: drop so much now. Each turn
 * of the worker goes on with the one under way, until it is answered.
 */
#include "worker.h"

/* Why nothing can be dropped now, or COMMAND_DONE */
static enum command_result obstacle(const struct worker *worker)
{
	if (worker->vm->dry_run)
		return COMMAND_DRY_RUN;
	if (!worker->attached)
		return COMMAND_NO_QEMU;
	if (worker->pinned)
		return COMMAND_PINNED;
	return worker->lease.state == LEASE_IN_FORCE ? COMMAND_DONE : COMMAND_NO_LEASE;
}

/* To be called when the state of the lease is what it is now. */
void command_step(struct worker *worker)
{
	struct drop_command *command = &worker->shared->command;
	/* Acquire: what is wanted was written before. */
	uint32_t asked = __atomic_load_n(&command->asked, __ATOMIC_ACQUIRE);
	enum command_result result;

	if (asked == shared_get(command->answered))
		return;
	result = obstacle(worker);
	if (result == COMMAND_DONE && !reclaim_now(worker, command))
		return;
	shared_set(command->result, result);
	if (result == COMMAND_DONE)
		shared_add(worker->shared->nr_commands, 1);
	/* Release: the answer is complete. */
	__atomic_store_n(&command->answered, asked, __ATOMIC_RELEASE);
}
