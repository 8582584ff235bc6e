// SPDX-License-Identifier: MIT
/*
 * hooks.c - the malloc family.
 *
 * Each hook calls the real function and records: a block before it is given
 * back, and after it was obtained, for in between its address may belong to
 * another thread. HOOK_CALLER needs the frame pointer, so this file is compiled
 * with -fno-omit-frame-pointer.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "early_arena.h"
#include "hooks.h"
#include "libdl.h"
#include "overhead.h"
#include "real.h"
#include "record_plain.h"
#include "recorder.h"

/* Not in this C library's headers: gone since 2.26, and C23's. */
void cfree(void *p);
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);

static ALWAYS_INLINE size_t at_least(size_t size)
{
	return size < real.min_size ? real.min_size : size;
}

/* Does sampling pass over a block of this size? (Not, if the thread has no state to ask.) */
static ALWAYS_INLINE bool passes(struct thread_state *t, size_t size)
{
	return t && t->countdown && sampler_passes(t, size);
}

/*
 * The real function gave @p. In general. @first: the thread had no state to ask whether
 * sampling passes over the block.
 */
static ALWAYS_INLINE void *obtained_generally(void *p, size_t size, const struct frame_regs *from,
					      enum session_trace_op op, bool first)
{
	struct thread_state *t = p && !real.bypassed ? recorder_enter() : NULL;

	if (t) {
		t->last_block = p;
		if (!first || !sampler_passes(t, size))
			hot_alloc(t, p, size, from, NULL, op);
		recorder_leave(t);
	} else if (p && !real.bypassed && recorder_gate.gate.generation) {
		recorder_loss_outside(LOSS_REENTRANT);
	}
	return p;
}

/* For hooks where speed matters less. */
static __attribute__((noinline)) void *obtained(void *p, size_t size, struct frame_regs from,
						enum session_trace_op op)
{
	struct thread_state *t = thread_self;

	return passes(t, size) ? p : obtained_generally(p, size, &from, op, !t);
}

/*
 * What is recorded in a hook itself, inline, is what nearly all events are. Anything else
 * is left to the functions that follow, which nobody has to come back from: so the hook
 * jumps there, and saves no register for it. t->from tells them its caller.
 */
static COLD void *obtained_slowly(void *p, size_t size, uintptr_t ip, uintptr_t sp, uintptr_t bp,
				  enum session_trace_op op)
{
	const struct frame_regs from = { .ip = ip, .sp = sp, .bp = bp };

	return obtained_generally(p, size, &from, op, false);
}

/* Of a thread that is busy. @m: of stack_memo_find(), if all is plain. */
static __attribute__((noinline)) void *recorded(struct thread_state *t, void *p, size_t size,
						struct stack_memo *m, enum session_trace_op op)
{
	struct frame_regs from = t->from;

	if (likely(p) && likely(!real.bypassed)) {
		if (!m && recorder.plain)
			m = hot_new_stack(t, &from);
		hot_alloc(t, p, size, &from, m, op);
	}
	recorder_releave(t);
	return p;
}

/* The same, timed. */
static COLD void *recorded_timed(struct thread_state *t, void *p, size_t size,
				 enum session_trace_op op)
{
	struct frame_regs from = t->from;
	uint64_t begin = clock_cycles();
	uint32_t *slot = live_slot_used((uintptr_t)p);
	struct stack_memo *m = recorder.plain ? stack_memo_find(&t->memos, from) : NULL;
	struct session_record *record;

	if (m)
		stack_check(m->stack, from.ip, from.sp, from.bp);
	if (!clock_stands(&t->clock) || !m || !plain_size(size) || !slot ||
	    !plain_alloc(t, (uintptr_t)p, size, slot, m, &record))
		if (p && !real.bypassed)
			hot_alloc(t, p, size, &from, m, op);
	overhead_timed(t, begin);
	recorder_releave(t);
	return p;
}

/* The block at @p was recorded as of t->time, but the clock has moved on. */
static __attribute__((noinline)) void *recorded_later(struct thread_state *t, void *p,
						      struct session_record *record)
{
	record_catch_up(t);
	plain_set_time(t, record);
	recorder_releave(t);
	return p;
}

/* The block at @p was recorded by plain_alloc(). */
static ALWAYS_INLINE void *recorded_plainly(struct thread_state *t, void *p,
					    struct session_record *record)
{
	if (unlikely(!clock_stands(&t->clock)))
		return recorded_later(t, p, record);
	recorder_releave(t);
	return p;
}

/* Several stacks start at this place, or none is known; or the block is large. */
static __attribute__((noinline)) void *recorded_searching(struct thread_state *t, void *p,
							  size_t size, enum session_trace_op op)
{
	struct frame_regs from = t->from;
	uint32_t *slot = live_slot_used((uintptr_t)p);
	struct session_record *record;
	struct stack_memo *m = NULL;

	if (likely(recorder.plain))
		m = stack_memo_find_inline(&t->memos, from);
	if (unlikely(!m))
		return recorded(t, p, size, NULL, op);
	stack_check(m->stack, from.ip, from.sp, from.bp);
	if (!plain_size(size) || !slot || !plain_alloc(t, (uintptr_t)p, size, slot, m, &record))
		return recorded(t, p, size, m, op);
	return recorded_plainly(t, p, record);
}

/* @start: of stack_memo_start(), before @p was obtained. (NULL has no place in the live table.) */
static ALWAYS_INLINE void *obtained_inline(struct thread_state *t, void *p, size_t size,
					   struct frame_regs from, struct memo_node *start,
					   enum session_trace_op op)
{
	struct session_record *record;
	struct stack_memo *m;
	uint32_t *slot;

	if (unlikely(!recorder_reenter(t))) {
		from = HOOK_CALLER_AGAIN;
		return obtained_slowly(p, size, from.ip, from.sp, from.bp, op);
	}
	t->last_block = p;
	if (overhead_is_timed(t)) {
		t->from = HOOK_CALLER_AGAIN;
		return recorded_timed(t, p, size, op);
	}
	slot = live_slot_used((uintptr_t)p);
	__builtin_prefetch(slot, 1);	/* it comes while the stack is looked for */
	m = likely(slot) && plain_size(size) ? stack_memo_find_only(&t->memos, from, start) : NULL;
	if (unlikely(!m)) {
		t->from = HOOK_CALLER_AGAIN;
		return recorded_searching(t, p, size, op);
	}
	stack_check(m->stack, from.ip, from.sp, from.bp);
	if (unlikely(!plain_alloc(t, (uintptr_t)p, size, slot, m, &record))) {
		t->from = HOOK_CALLER_AGAIN;
		return recorded(t, p, size, m, op);
	}
	return recorded_plainly(t, p, record);
}

/* The recorder lets go of @p, whose record is in @slot (NULL: in none). In general. */
static void release_slowly(void *p, uint32_t *slot)
{
	struct thread_state *t = recorder_enter();

	if (t) {
		hot_free(t, p, slot, TRACE_FREE);
		recorder_leave(t);
	} else {
		record_free_nested(p);
	}
}

static __attribute__((noinline)) void releasing(void *p)
{
	uint32_t *slot = hot_recorded(p);

	if (slot || unlikely(recorder.cfg.trace))
		release_slowly(p, slot);
}

#define NEW_FRAMES_MAX 4096	/* bytes of stack between operator new and what it calls */

THREAD_LOCAL struct new_hint hooks_new_hint;

/* What operator new was asked for is what counts, if it is what calls here. */
static void take_hint(size_t align, size_t *size, struct frame_regs *from)
{
	struct new_hint hint = hooks_new_hint;
	size_t slack = align > real.min_size ? align : real.min_size;

	hooks_new_hint.asked = 0;
	if (!hint.asked || hint.asked > *size || *size - hint.asked >= slack)
		return;
	*size = hint.asked;
	if (hint.from.sp > from->sp && hint.from.sp - from->sp < NEW_FRAMES_MAX)
		*from = hint.from;
}

/* The same as obtained() for the functions with an alignment. */
static ALWAYS_INLINE void *obtained_aligned(void *p, size_t align, size_t size,
					    struct frame_regs from, enum session_trace_op op)
{
	if (unlikely(hooks_new_hint.asked))
		take_hint(align, &size, &from);
	return obtained(p, size, from, op);
}

/*
 * Calls that cannot be recorded: while the real functions are being looked up
 * (the early arena serves them), or when another allocator owns the program's
 * blocks (they are passed on).
 */
static COLD void *unready_alloc(size_t align, size_t size)
{
	if (!real.bypassed)
		return early_alloc(align, size);
	return align <= 16 ? real.malloc(size) : real.memalign ? real.memalign(align, size) : NULL;
}

static COLD void unready_free(void *p)
{
	if (real.bypassed)
		real.free(p);
}

static COLD void *unready_realloc(void *p, size_t size)
{
	if (real.bypassed)
		return real.realloc(p, size);
	return p ? NULL : early_alloc(16, size);
}

/*
 * Hooks begin with the blocks that sampling passes over: then they only jump to the
 * real function. Else they jump to their other half, which so has the hook's caller
 * for its own. (Once there is a thread state or a live table, there are the real
 * functions.)
 */
static __attribute__((noinline, nonnull)) void *malloc_chosen(size_t size, struct thread_state *t)
{
	struct memo_node *start = stack_memo_start(&t->memos, HOOK_CALLER);
	void *p = real.malloc(size);

	return obtained_inline(t, p, size, HOOK_CALLER, start, TRACE_MALLOC);
}

/* The thread has no state yet. */
static COLD void *malloc_first(size_t size)
{
	struct frame_regs from = HOOK_CALLER;

	if (unlikely(!real_ready()))
		return unready_alloc(16, size);
	return obtained_generally(real.malloc(size), size, &from, TRACE_MALLOC, true);
}

EXPORT void *malloc(size_t size)
{
	struct thread_state *t = thread_self;

	if (unlikely(!t))
		return malloc_first(size);
	if (passes(t, size))
		return real.malloc(size);
	return malloc_chosen(size, t);
}

/* Before anything is recorded, and when all is traced. */
static COLD void free_slowly(void *p)
{
	if (!p || early_arena_owns(p))
		return;
	if (unlikely(!live_root) && !real_ready()) {
		unready_free(p);
		return;
	}
	releasing(p);
	real.free(p);
}

/* A recorded block. */
static COLD void free_recorded(void *p, uint32_t *slot)
{
	release_slowly(p, slot);
	real.free(p);
}

/* The same, of a thread that is busy. */
static __attribute__((noinline)) void free_in_general(struct thread_state *t, void *p, uint32_t *slot)
{
	hot_free(t, p, slot, TRACE_FREE);
	recorder_releave(t);
	real.free(p);
}

/* The same, timed. */
static COLD void free_timed(struct thread_state *t, void *p, uint32_t *slot)
{
	uint64_t begin = clock_cycles();

	if (!recorder.plain || !plain_free(t, (uintptr_t)p, slot))
		hot_free(t, p, slot, TRACE_FREE);
	overhead_timed(t, begin);
	recorder_releave(t);
	real.free(p);
}

/* Like obtained_inline(): what it calls takes over, so it saves no registers. */
static ALWAYS_INLINE void free_inline(void *p, uint32_t *slot)
{
	struct thread_state *t = thread_self;

	if (unlikely(!recorder_reenter(t))) {
		free_recorded(p, slot);
	} else if (overhead_is_timed(t)) {
		free_timed(t, p, slot);
	} else if (unlikely(!recorder.plain) || unlikely(!plain_free(t, (uintptr_t)p, slot))) {
		free_in_general(t, p, slot);
	} else {
		recorder_releave(t);
		real.free(p);
	}
}

EXPORT void free(void *p)
{
	uint32_t **shadow = recorder.shadow, *leaf, *slot;

	if (unlikely(!shadow) || unlikely((uintptr_t)p >> LEAF_SHIFT >= ROOT_SLOTS)) {
		free_slowly(p);
		return;
	}
	leaf = live_leaf(shadow, (uintptr_t)p);
	if (likely(leaf)) {
		/* (The early arena's pages are none of these; see live_table.c.) */
		if (!live_page_is_used(leaf, (uintptr_t)p)) {
			real.free(p);
			return;
		}
		slot = live_slot_of(leaf, (uintptr_t)p);
		if (likely(__atomic_load_n(slot, __ATOMIC_RELAXED))) {
			free_inline(p, slot);
			return;
		}
	}
	/* Not sampled, or older than the recording: no thread state, nothing shared is written. */
	if (!early_arena_owns(p))
		real.free(p);
}

/* As malloc_chosen(). (An overflow is the real function's to refuse: NULL is never recorded.) */
static __attribute__((noinline, nonnull)) void *calloc_chosen(size_t n, size_t size,
							      struct thread_state *t)
{
	struct memo_node *start = stack_memo_start(&t->memos, HOOK_CALLER);
	void *p = real.calloc(n, size);

	return obtained_inline(t, p, n * size, HOOK_CALLER, start, TRACE_CALLOC);
}

/* The thread has no state yet, or the allocator is to be asked for more. */
static COLD void *calloc_otherwise(size_t n, size_t size)
{
	struct frame_regs from = HOOK_CALLER;
	size_t total;
	bool refused = __builtin_mul_overflow(n, size, &total);

	if (unlikely(!real_ready())) {
		if (real.bypassed)
			return real.calloc(n, size);
		return refused ? NULL : early_alloc(16, total);
	}
	if (refused || total >= real.min_size)
		return obtained(real.calloc(n, size), n * size, from, TRACE_CALLOC);
	return obtained(real.calloc(1, real.min_size), total, from, TRACE_CALLOC);
}

EXPORT void *calloc(size_t n, size_t size)
{
	struct thread_state *t = thread_self;
	size_t total = n * size;

	if (unlikely(!t) || unlikely(total < real.min_size))
		return calloc_otherwise(n, size);
	if (passes(t, total))
		return real.calloc(n, size);
	return calloc_chosen(n, size, t);
}

/* A block of the early arena moves to the real allocator. */
static void *leave_arena(void *p, size_t size)
{
	size_t old = early_size(p);
	void *to = real_ready() ? real.malloc(size) : early_alloc(16, size);

	if (to)
		memcpy(to, p, old < size ? old : size);
	return to;
}

static ALWAYS_INLINE void *resize(void *p, size_t size, struct frame_regs from)
{
	struct thread_state *t;
	uint32_t held, generation;
	void *to;

	if (!p)
		return obtained(real.realloc(NULL, at_least(size)), size, from, TRACE_REALLOC);
	t = recorder_enter();
	if (unlikely(!t)) {
		record_free_nested(p);
		return real.realloc(p, size ? at_least(size) : 0);
	}
	held = record_realloc_begin(p);
	generation = t->generation;
	recorder_leave(t);	/* the real function may run the program's code (new_handler, hooks) */
	to = real.realloc(p, size ? at_least(size) : 0);
	t = recorder_enter();
	if (unlikely(!t))
		return to;
	/* A session that ended meanwhile has taken the record with it. */
	if (unlikely(t->generation != generation))
		held = 0;
	if (unlikely(!to && size)) {
		record_realloc_abort(held, p);
	} else {
		t->last_block = to;
		record_realloc_commit(t, held, p, to, size, &from);
	}
	recorder_leave(t);
	return to;
}

static __attribute__((noinline)) void *realloc_chosen(void *p, size_t size)
{
	if (unlikely(p && early_arena_owns(p)))
		return obtained(leave_arena(p, size), size, HOOK_CALLER, TRACE_REALLOC);
	if (unlikely(!real_ready()))
		return unready_realloc(p, size);
	return resize(p, size, HOOK_CALLER);
}

EXPORT void *realloc(void *p, size_t size)
{
	if (size && live_root && !early_arena_owns(p) && !hot_recorded(p) &&
	    !recorder.cfg.trace && passes(thread_self, size))
		return real.realloc(p, at_least(size));
	return realloc_chosen(p, size);
}

/* An allocator that brings no reallocarray relies on the C library's calling its realloc. */
static COLD void *owners_realloc(void *p, size_t size)
{
	void *(*owner)(void *, size_t);

	*(void **)&owner = libdl_first("realloc");
	return owner ? owner(p, size) : NULL;
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	if (unlikely(p && early_arena_owns(p)))
		return obtained(leave_arena(p, total), total, HOOK_CALLER, TRACE_REALLOC);
	if (unlikely(!real_ready()))
		return real.bypassed ? owners_realloc(p, total) : unready_realloc(p, total);
	return resize(p, total, HOOK_CALLER);
}

EXPORT void *memalign(size_t align, size_t size)
{
	if (unlikely(!real_ready() || !real.memalign))
		return unready_alloc(align, size);
	return obtained_aligned(real.memalign(align, at_least(size)), align, size, HOOK_CALLER,
				TRACE_MEMALIGN);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	if (unlikely(!real_ready() || !real.aligned_alloc))
		return unready_alloc(align, size);
	return obtained_aligned(real.aligned_alloc(align, at_least(size)), align, size, HOOK_CALLER,
				TRACE_ALIGNED_ALLOC);
}

EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
	int ret;

	if (unlikely(!real_ready() || !real.posix_memalign)) {
		*out = unready_alloc(align, size);
		return *out ? 0 : ENOMEM;
	}
	ret = real.posix_memalign(out, align, at_least(size));
	if (!ret)
		obtained_aligned(*out, align, size, HOOK_CALLER, TRACE_POSIX_MEMALIGN);
	return ret;
}

EXPORT void *valloc(size_t size)
{
	if (unlikely(!real_ready() || !real.valloc))
		return unready_alloc(4096, size);
	return obtained(real.valloc(size), size, HOOK_CALLER, TRACE_VALLOC);
}

EXPORT void *pvalloc(size_t size)
{
	if (unlikely(!real_ready() || !real.pvalloc))
		return unready_alloc(4096, size);
	return obtained(real.pvalloc(size), size, HOOK_CALLER, TRACE_PVALLOC);
}

EXPORT void cfree(void *p)
{
	free(p);
}

/* By the C standard these are free(), for who knows the size. */
EXPORT void free_sized(void *p, size_t size)
{
	(void)size;
	free(p);
}

EXPORT void free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	(void)size;
	free(p);
}

EXPORT size_t malloc_usable_size(void *p)
{
	if (p && early_arena_owns(p))
		return early_size(p);
	return (real_ready() || real.bypassed) && real.malloc_usable_size ? real.malloc_usable_size(p) : 0;
}
