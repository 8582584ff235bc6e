// SPDX-License-Identifier: MIT
/* stack_check.c - see stack_check.h. */
#include "stack_check.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "compiler.h"
#include "recorder.h"
#include "sys.h"

#define OWN_FRAMES	32	/* of the recorder, between here and the hook's caller */
#define SHOWN		5u	/* wrong stacks that are printed */

/* What an oracle found, from the hook's caller outward: frames as in SECT_FRAMES. */
struct oracle {
	const char *name;
	uint64_t knows;		/* bits of a frame that can be compared */
	uint32_t count;
	bool more;		/* the walk was ended by us: one frame more than needed */
	uint64_t frame[DEPTH_MAX + 1];
};

static atomic_ullong compared, wrong, disagreed;
bool stack_check_trusting;

static void oracle_init(struct oracle *o, const char *name, uint64_t knows)
{
	o->name = name;
	o->knows = knows;
	o->count = 0;
	o->more = false;
}

/* Takes the next frame; false: enough. */
static bool found(struct oracle *o, uint32_t wanted, uint64_t ip, bool exact)
{
	o->frame[o->count++] = ip | (exact ? STACK_EXACT_BIT : 0);
	o->more = o->count > wanted;
	return !o->more;
}

/* ---- libunwind ------------------------------------------------------------------ */

struct loads {
	unsigned long long adds, subs;
};

static int read_counters(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loads *now = arg;

	(void)size;
	*now = (struct loads){ info->dlpi_adds, info->dlpi_subs };
	return 1;
}

/* It keeps what it has learned of code that was unloaded since. */
static void flush_libunwind(void)
{
	static atomic_ullong seen;
	struct loads now = { 0 };
	unsigned long long sum;

	dl_iterate_phdr(read_counters, &now);
	sum = now.adds + now.subs;
	if (atomic_exchange(&seen, sum) != sum)
		unw_flush_cache(unw_local_addr_space, 0, 0);
}

static bool reach(unw_cursor_t *cursor, const struct frame_regs *from)
{
	unw_word_t ip, sp;

	for (int i = 0; i < OWN_FRAMES; i++) {
		unw_get_reg(cursor, UNW_REG_IP, &ip);
		unw_get_reg(cursor, UNW_REG_SP, &sp);
		if (ip == from->ip && sp == from->sp)
			return true;
		if (unw_step(cursor) <= 0)
			return false;
	}
	return false;
}

/* Behind code without unwind information it would guess, and may crash over its guess. */
static bool step_outward(unw_cursor_t *cursor)
{
	unw_proc_info_t info;

	/* a range of one byte stands for "not known" */
	return unw_get_proc_info(cursor, &info) == 0 && info.end_ip - info.start_ip > 1 &&
	       unw_step(cursor) > 0;
}

static void walk_libunwind(struct oracle *o, const struct frame_regs *from, uint32_t wanted)
{
	unw_context_t context;
	unw_cursor_t cursor;
	unw_word_t ip;

	flush_libunwind();
	unw_getcontext(&context);
	if (unw_init_local(&cursor, &context) < 0 || !reach(&cursor, from))
		return;
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		if (!ip || !found(o, wanted, ip, false))
			return;
	} while (step_outward(&cursor));
}

/* ---- libgcc --------------------------------------------------------------------- */

struct gcc_walk {
	struct oracle *o;
	const struct frame_regs *from;
	uint32_t wanted;
	uint32_t skipped;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *arg)
{
	struct gcc_walk *w = arg;
	int exact = 0;
	uintptr_t ip = _Unwind_GetIPInfo(context, &exact);

	if (!w->o->count && (ip != w->from->ip || _Unwind_GetCFA(context) != w->from->sp))
		return ++w->skipped < OWN_FRAMES ? _URC_NO_REASON : _URC_NORMAL_STOP;
	if (!ip || !found(w->o, w->wanted, ip, exact))
		return _URC_NORMAL_STOP;
	return _URC_NO_REASON;
}

static void walk_libgcc(struct oracle *o, const struct frame_regs *from, uint32_t wanted)
{
	struct gcc_walk w = { o, from, wanted, 0 };

	_Unwind_Backtrace(take_frame, &w);
}

/* ---- comparing ------------------------------------------------------------------ */

static const uint64_t *frames_of(const struct session_stack *s)
{
	return (const uint64_t *)recorder.shm.sect[SECT_FRAMES].base + s->frames;
}

static bool equal(const uint64_t *frame, const struct oracle *o, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((frame[i] ^ o->frame[i]) & o->knows)
			return false;
	return true;
}

/*
 * A stack that was cut has more frames outside of what it shows, any other has
 * none. Behind a frame without unwind information only guesses can be right.
 */
static bool agrees(const struct session_stack *s, const struct oracle *o)
{
	uint32_t n = o->count < s->depth ? o->count : s->depth;
	bool guessed = s->flags & STACK_GUESSED;

	if (!o->count || !equal(frames_of(s), o, n))
		return false;
	if (guessed)
		return n == o->count || s->flags & STACK_CUT;
	return n == s->depth && o->more == !!(s->flags & STACK_CUT) && (o->more || o->count == n);
}

static void say(const char *line, int len)
{
	if (len > 0)
		sys_write(STDERR_FILENO, line, (size_t)len);
}

static void show_frames(const char *name, const uint64_t *frame, uint32_t count)
{
	char line[512];

	for (uint32_t i = 0; i < count; i++) {
		uintptr_t ip = frame[i] & ~STACK_EXACT_BIT;
		Dl_info info = { 0 };

		dladdr((void *)ip, &info);
		say(line, snprintf(line, sizeof(line), "  %s %u: %#lx%s %.100s %.200s\n", name, i, ip,
				   frame[i] & STACK_EXACT_BIT ? " exact" : "",
				   info.dli_sname ? info.dli_sname : "?",
				   info.dli_fname ? info.dli_fname : "no object"));
	}
}

static void show(const struct session_stack *s, const struct oracle *a, const struct oracle *b)
{
	char line[100];

	say(line, snprintf(line, sizeof(line), "stack check: wrong stack, depth %u, flags %#x\n",
			   s->depth, s->flags));
	show_frames("recorded", frames_of(s), s->depth);
	show_frames(a->name, a->frame, a->count);
	show_frames(b->name, b->frame, b->count);
}

COLD void stack_check(uint32_t stack, uintptr_t ip, uintptr_t sp, uintptr_t bp)
{
	const struct frame_regs from = { .ip = ip, .sp = sp, .bp = bp };
	const struct session_stack *s = &recorder.stacks[stack];
	struct oracle libgcc, libunwind;
	bool first, second;
	int err = errno;

	if (s->flags & STACK_OVERFLOW)
		return;
	oracle_init(&libgcc, "libgcc", UINT64_MAX);
	oracle_init(&libunwind, "libunwind", ~STACK_EXACT_BIT);
	walk_libgcc(&libgcc, &from, s->depth);
	walk_libunwind(&libunwind, &from, s->depth);
	first = agrees(s, &libgcc);
	second = agrees(s, &libunwind);
	atomic_fetch_add(&compared, 1);
	if (first != second)
		atomic_fetch_add(&disagreed, 1);
	if (!first && !second && atomic_fetch_add(&wrong, 1) < SHOWN)
		show(s, &libgcc, &libunwind);
	errno = err;
}

__attribute__((constructor)) static void read_environment(void)
{
	const char *text = getenv("LIBLEAK_CHECK");

	stack_check_trusting = text && !strcmp(text, "noverify");
}

__attribute__((destructor)) static void say_totals(void)
{
	char line[120];

	say(line, snprintf(line, sizeof(line),
			   "stack check: %llu compared, %llu wrong, %llu oracle disagreements\n",
			   (unsigned long long)compared, (unsigned long long)wrong,
			   (unsigned long long)disagreed));
}
