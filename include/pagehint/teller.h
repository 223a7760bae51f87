/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hosts that are told: what backends have in common whose host sees nothing of the
 * table, but knows what it was told of each frame (include/pagehint/vector.h).
 *
 * Which frames are told, asked for or repaid, when, and by whom is decided once, in
 * module/teller.c (whoever needs a frame) and module/teller_worker.c (the
 * background). A backend says how a vector of frames is passed to its host and how
 * the host's answers get into the vector: a struct pagehint_teller.
 */
#ifndef _PAGEHINT_TELLER_H
#define _PAGEHINT_TELLER_H

#include <linux/types.h>

#include <pagehint/vector.h>

struct pagehint_span;

/**
 * enum pagehint_said - what is said of frames, and so which of them
 * @PAGEHINT_TELL: volatile, and the host does not know
 * @PAGEHINT_ASK: told, and needed
 * @PAGEHINT_REPAY: told, and freed since
 */
enum pagehint_said {
	PAGEHINT_TELL,
	PAGEHINT_ASK,
	PAGEHINT_REPAY,
};

/**
 * struct pagehint_teller - how a backend speaks to its host
 * @name: of the backend, for the log and for its thread
 * @say: pass a vector. Returns how many entries of it the host has done, from the
 *	first on; fewer than all only if the host does not listen any more. Of those
 *	done the results say what became of them (ASK, REPAY): KEPT only if the host
 *	said so. Interrupts off, no locks but those of the vector's frames; any
 *	context but NMI; never sleeps
 * @entries: most entries of a vector, 1 to PAGEHINT_VECTOR_MAX
 * @listens: does the host remember what it was told? Any context; true only of the
 *	past. When not, nobody asks it: whatever it was told counts as gone
 * @listen: make it listen (again); it has forgotten everything. The worker; may
 *	sleep. NULL: it listens for as long as the lease
 * @takes_volatile: is it to be told of page cache?
 * @skips: is it not to be told of this frame? NULL: of all
 * @pass_begin: the worker begins to look through the table; NULL: nothing to do
 * @found_free: there are frames among these that are free and not hinted; NULL: free
 *	memory is not told by the worker
 * @pass_end: it has looked, through all of it if @complete; NULL: nothing to do
 * @delay_ms: the pause between two passes
 * @max_frames: about so many frames are in a vector, or are looked at for one
 *
 * Context: the worker, where nothing else is said.
 */
struct pagehint_teller {
	const char *name;
	unsigned int (*say)(enum pagehint_said said, struct pagehint_vector *vector);
	unsigned int (*entries)(void);
	bool (*listens)(void);
	int (*listen)(void);
	bool (*takes_volatile)(void);
	bool (*skips)(unsigned long pfn);
	void (*pass_begin)(void);
	void (*found_free)(unsigned long pfn, unsigned long end);
	void (*pass_end)(bool complete);
	const unsigned int *delay_ms;
	unsigned long max_frames;
};

/* module/teller.c */
extern const struct pagehint_teller *pagehint_teller;

int pagehint_teller_open(const struct pagehint_teller *teller);
void pagehint_teller_close(void);
void pagehint_teller_say(enum pagehint_said said, const struct pagehint_span *spans,
			 unsigned int nr);
void pagehint_teller_ask(const struct pagehint_span *spans, unsigned int nr);
void pagehint_teller_ask_each(unsigned long pfn, unsigned long nr_frames);
u8 pagehint_teller_settle(u8 *byte);
u64 pagehint_teller_nr_gone(void);

/* module/teller_worker.c */
int pagehint_teller_start(void);
void pagehint_teller_stop(void);

#endif /* _PAGEHINT_TELLER_H */
