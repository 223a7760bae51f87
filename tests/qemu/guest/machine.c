// SPDX-License-Identifier: GPL-2.0
/*
 * The machine below the bare guest: SCLP's console, the host behind it, and the
 * second CPU.
 *
 * What the guest wants of its host it says in a line, `host PROPERTY VALUE` or
 * `expect COUNTER VALUE`. The host does it and rings, by an interruption (restart)
 * that does not need any of what is tested.
 */
#include <stdarg.h>
#include "machine.h"

#define SERVICE_CALL_WRITE 0x00760005u
#define ASCII_CONSOLE 0x1a
#define LINE_MAX 256

struct psw {
	uint64_t mask, address;
};

/* An SCCB with one event: a line for the console */
struct line {
	uint16_t length;
	uint8_t function;
	uint8_t control[3];
	uint16_t response;
	uint16_t event_length;
	uint8_t type;
	uint8_t flags;
	uint16_t reserved;
	char text[LINE_MAX];
} __attribute__((packed, aligned(8)));

extern char program_entry[], restart_entry[], second_start[];
extern uint64_t supervisor_mask;
extern volatile uint64_t bells;

static struct line console __attribute__((aligned(FRAME_SIZE)));

/* What the second CPU is to do, and what came of it */
static struct {
	volatile uint64_t wanted, done;
	enum access access;
	uintptr_t address;
	uint64_t value;
	struct trap result;
} second;

static void set_psw(uintptr_t where, const char *entry)
{
	/* A lowcore is at 0: no object that a compiler knows of */
	volatile struct psw *psw = (volatile struct psw *)where;

	__asm__("" : "+a"(psw));
	psw->mask = supervisor_mask;
	psw->address = (uintptr_t)entry;
}

static uint64_t clock(void)
{
	uint64_t now;

	__asm__ volatile("stck %0" : "=Q"(now) : : "cc", "memory");
	return now;
}

#define CLOCK_SECOND (1000000ull << 12)

static void put(struct line *line, size_t *length, char c)
{
	if (*length < LINE_MAX)
		line->text[(*length)++] = c;
}

static void put_number(struct line *line, size_t *length, uint64_t value, unsigned int base)
{
	char digits[20];
	int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put(line, length, digits[--count]);
}

/* %s, %lu, %lx */
static void format_line(struct line *line, size_t *length, const char *format, va_list list)
{
	const char *text;

	for (; *format; format++) {
		if (*format != '%') {
			put(line, length, *format);
		} else if (*++format == 's') {
			for (text = va_arg(list, const char *); *text; text++)
				put(line, length, *text);
		} else {
			put_number(line, length, va_arg(list, uint64_t),
				   *++format == 'x' ? 16 : 10);
		}
	}
	put(line, length, '\n');
}

static unsigned int service_call(struct line *line)
{
	unsigned int condition;

	__asm__ volatile(".insn	rre,0xb2200000,%[command],%[block]\n"
		"	ipm	%[condition]\n"
		"	srl	%[condition],28\n"
		: [condition] "=d"(condition)
		: [command] "d"(SERVICE_CALL_WRITE), [block] "a"(line)
		: "cc", "memory");
	return condition;
}

static bool send(struct line *line, size_t length)
{
	line->function = 0;
	line->control[2] = 0;
	line->response = 0;
	line->event_length = 6 + length;
	line->type = ASCII_CONSOLE;
	line->flags = 0;
	line->reserved = 0;
	line->length = 8 + line->event_length;
	return service_call(line) == 0;
}

void say_list(const char *before, const char *format, va_list list)
{
	size_t length = 0;

	while (*before)
		put(&console, &length, *before++);
	format_line(&console, &length, format, list);
	send(&console, length);
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list("", format, list);
	va_end(list);
}

/* The same from any frame: an access by a device, which reads and writes it */
bool send_from(uintptr_t sccb, const char *text)
{
	struct line *line = (struct line *)sccb;
	size_t length = 0;

	while (*text)
		put(line, &length, *text++);
	put(line, &length, '\n');
	return send(line, length);
}

/*
 * An SCCB that says to be longer than what is written of it here. Over the end of a
 * frame it is refused, but only after the device read all of it.
 */
void send_over(uintptr_t sccb, size_t length)
{
	struct line *line = (struct line *)sccb;

	line->length = length;
	service_call(line);
}

static bool wait_bell(uint64_t before)
{
	uint64_t start = clock();

	while (bells == before) {
		if (clock() - start > 60 * CLOCK_SECOND) {
			say("fail: the host does not ring");
			return false;
		}
	}
	return true;
}

bool ask(const char *property, uint64_t value)
{
	uint64_t before = bells;

	say("host %s %lu", property, value);
	return wait_bell(before);
}

bool ask_text(const char *property, const char *text)
{
	uint64_t before = bells;

	say("host %s %s", property, text);
	return wait_bell(before);
}

/* One of the device's statistics, compared by the host */
bool expect(const char *counter, uint64_t value)
{
	uint64_t before = bells;

	say("expect %s %lu", counter, value);
	return wait_bell(before);
}

void machine_init(void)
{
	set_psw(0x1d0, program_entry);
	set_psw(0x1a0, restart_entry);
}

void unexpected_trap(void);
void unexpected_trap(void)
{
	struct trap *what;

	__asm__("larl %0, trap" : "=a"(what));
	say("fail: unexpected program interruption 0x%lx at 0x%lx, identification 0x%lx",
	    what->code, what->address, what->identification);
	say("end");
}

void second_main(void);
void second_main(void)
{
	uintptr_t where;

	for (;;) {
		while (second.done == second.wanted)
			;
		second.value = probe(second.access, second.address, &second.result, &where);
		__sync_synchronize();
		second.done = second.wanted;
	}
}

void start_second(void)
{
	uint64_t cpu = 1;

	set_psw(0x1a0, second_start);
	/* sigp restart: it was stopped and starts where the restart PSW says */
	__asm__ volatile("	lghi	%%r1,0\n"
			 "	sigp	%%r1,%[cpu],6\n"
			 : : [cpu] "a"(cpu) : "r1", "cc", "memory");
	second_access(LOAD, (uintptr_t)&console, NULL);
	set_psw(0x1a0, restart_entry);
}

/* Only one of the two CPUs probes at a time. */
uint64_t second_access(enum access access, uintptr_t address, struct trap *result)
{
	second.access = access;
	second.address = address;
	__sync_synchronize();
	second.wanted++;
	while (second.done != second.wanted)
		;
	__sync_synchronize();
	if (result)
		*result = second.result;
	return second.value;
}
