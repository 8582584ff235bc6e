// SPDX-License-Identifier: MIT
/* recorder.c - see recorder.h; the hot part is in record_hot.h. */
#include "recorder.h"

#include <errno.h>
#include <linux/futex.h>

#include "lifecycle.h"
#include "record_hot.h"
#include "sampling.h"
#include "stack_table.h"

union gate_page recorder_gate __attribute__((aligned(4096)));
struct recorder recorder;

/*
 * The session, for a thread that is not busy, or NULL: there is none. It stays
 * mapped until leave_session(): who lets go of it makes the pointer NULL first
 * and then looks for visitors.
 */
static struct session_header *visit_session(void)
{
	atomic_fetch_add(&recorder.visitors, 1);
	return __atomic_load_n(&recorder.hdr, __ATOMIC_SEQ_CST);
}

static void leave_session(void)
{
	atomic_fetch_sub(&recorder.visitors, 1);
}

void recorder_loss_outside(enum session_loss cause)
{
	if (visit_session())
		recorder_loss(cause, 1);
	leave_session();
}

static bool is_gone(uint32_t reader)
{
	if (likely(!reader))
		return false;
	if (reader == SESSION_READER_AWAITED)
		return clock_tick() - recorder.tick0 > SESSION_READER_TICKS;
	return reader & FUTEX_OWNER_DIED;
}

bool recorder_reader_is_gone(void)
{
	const struct session_header *h = visit_session();
	bool gone = h && is_gone(__atomic_load_n(&h->reader, __ATOMIC_RELAXED));

	leave_session();
	return gone;
}

void recorder_check_reader(void)
{
	if (unlikely(is_gone(__atomic_load_n(&recorder.hdr->reader, __ATOMIC_RELAXED))))
		__atomic_store_n(&recorder_gate.gate.generation, 0, __ATOMIC_RELEASE);
}

/* The state of this thread, busy, or NULL: no memory. */
static struct thread_state *own_state(struct thread_state *t)
{
	if (!t)
		return thread_is_dead() ? thread_borrow() : thread_attach();
	t->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if (t->generation != recorder_gate.gate.generation)
		thread_restart(t);
	return t;
}

struct thread_state *recorder_enter_slow(struct thread_state *t)
{
	int err;

	if (t && t->busy)
		return NULL;
	if (!recorder_gate.gate.generation && !lifecycle_start())
		return NULL;
	err = errno;
	t = own_state(t);
	errno = err;
	if (!t) {
		recorder_loss_outside(LOSS_NO_MEMORY);
		return NULL;
	}
	if (t->flushes != recorder_gate.gate.flushes)
		thread_forget_stacks(t);
	/* Closed meanwhile: see recorder_enter(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (t->generation != recorder_gate.gate.generation) {
		recorder_leave(t);
		return NULL;
	}
	return t;
}

static uint32_t capture(struct thread_state *t, const struct frame_regs *from)
{
	struct stack_view view;

	stack_capture(&t->cache, from, recorder.depth, &view);
	return stack_table_index(&t->cache, &view);
}

struct stack_memo *record_stack_changed(struct thread_state *t, const struct frame_regs *from)
{
	uint32_t stack = capture(t, from);

	/* Code on it has taken the place of other code: once more, by its own rules. */
	if (unlikely(t->flushes != recorder_gate.gate.flushes)) {
		thread_forget_stacks(t);
		stack = capture(t, from);
	}
	__builtin_prefetch(&recorder.sites[t->site_of[stack]], 1);
	return stack_memo_add(&t->memos, &t->cache, from, (int)recorder.depth, stack);
}

struct session_site *record_find_site(struct thread_state *t, struct stack_memo *m)
{
	struct session_site *s = site_get(t, m->stack);

	/* (There, plain_alloc() finds site 0, which times what is next.) */
	if (s && !site_is_new(s))
		m->site = t->site_of[m->stack];
	return s;
}

void record_catch_up(struct thread_state *t)
{
	clock_catch_up(&t->clock);
	t->time = session_record_time(t->clock.tick - recorder.tick0);
}

bool record_accept(struct thread_state *t, size_t size)
{
	const struct config *cfg = &recorder.cfg;

	sampling_draw(t);
	return size >= cfg->min_size && size <= cfg->max_size;
}

int64_t record_weigh_alloc(struct session_site *s, uint64_t bytes, uint64_t mean)
{
	double w = sampling_weight(mean, bytes);

	s->w_alloc_count += w;
	s->w_alloc_bytes += w * (double)bytes;
	return (int64_t)(w * (double)bytes);
}

int64_t record_weigh_free(struct session_site *s, uint64_t bytes, uint64_t mean)
{
	double w = sampling_weight(mean, bytes);

	s->w_free_count += w;
	s->w_free_bytes += w * (double)bytes;
	return (int64_t)(w * (double)bytes);
}

uint32_t record_new_extended(struct thread_state *t, uintptr_t addr, uint64_t size, uint32_t stack,
			     uint64_t mean, uint64_t tick, bool timed)
{
	struct session_block b = {
		.addr = addr, .size = size, .tick = tick, .stack = stack, .thread = t->thread,
		.mean = (uint8_t)(mean >> REC_MEAN_SHIFT), .timed = timed,
	};

	return record_new(t, &b);
}

void record_end_extended(struct thread_state *t, uint32_t index)
{
	struct session_block b = record_get(index);

	record_drop(t, index);
	if (!b.inherited)
		hot_count_free(t, b.stack, b.size, b.timed ? b.tick : HOT_UNTIMED,
			       (uint64_t)b.mean << REC_MEAN_SHIFT);
}

void record_replace_stale(struct thread_state *t, uint32_t stale)
{
	recorder_loss(LOSS_MISSED_FREE, 1);
	if (session_record_in_use(&recorder.records[stale]))
		hot_end(t, stale);
}

/* ---- out of line ------------------------------------------------------------- */

uint32_t record_stack(struct thread_state *t, const struct frame_regs *from)
{
	return hot_stack(t, from)->stack;
}

void record_count_alloc(struct thread_state *t, uint32_t stack, uint64_t bytes, uint64_t mean)
{
	hot_count_alloc(site_get(t, stack), bytes, mean, true);
}

void record_count_free(struct thread_state *t, uint32_t stack, uint64_t bytes, uint64_t since,
		       uint64_t mean)
{
	hot_count_free(t, stack, bytes, since, mean);
}

void record_alloc(struct thread_state *t, const void *p, size_t size, const struct frame_regs *from,
		  enum session_trace_op op)
{
	if (!sampler_passes(t, size))
		hot_alloc(t, p, size, from, NULL, op);
}

void record_free(struct thread_state *t, const void *p, enum session_trace_op op)
{
	hot_free(t, p, hot_recorded(p), op);
}

static void give_up_block(const void *p)
{
	uint32_t *slot = live_slot_used((uintptr_t)p);
	uint32_t index = slot ? hot_take_from_shadow(slot, (uintptr_t)p) : 0;

	if (!index)
		return;
	record_clear(&recorder.records[index]);
	recorder_loss(LOSS_REENTRANT, 1);
}

void record_free_nested(const void *p)
{
	if (!recorder_gate.gate.generation)
		return;
	if (visit_session() && recorder_gate.gate.generation)
		give_up_block(p);
	leave_session();
}

uint32_t record_realloc_begin(const void *p)
{
	uint32_t *slot = live_slot_used((uintptr_t)p);

	return slot ? hot_take_from_shadow(slot, (uintptr_t)p) : 0;
}

void record_realloc_abort(uint32_t held, const void *p)
{
	uint32_t *slot = live_slot_used((uintptr_t)p);

	if (held && slot)
		__atomic_store_n(slot, held, __ATOMIC_RELAXED);
}

void record_realloc_commit(struct thread_state *t, uint32_t held, const void *old, const void *p,
			   size_t size, const struct frame_regs *from)
{
	if (unlikely(recorder.cfg.trace))
		trace_ring_add(TRACE_REALLOC, (uintptr_t)p, size, (uintptr_t)old);
	if (held)
		hot_end(t, held);
	if (p && !sampler_passes(t, size))
		hot_block(t, (uintptr_t)p, size, from, NULL);
}
