// SPDX-License-Identifier: MIT
/* recorder.c - recording one event; see recorder.h. */
#include "recorder.h"

#include <errno.h>
#include <linux/futex.h>

#include "clock.h"
#include "lifecycle.h"
#include "live_table.h"
#include "records.h"
#include "sampler.h"
#include "sites.h"
#include "stack_table.h"
#include "trace_ring.h"

union gate_page recorder_gate __attribute__((aligned(4096)));
struct recorder recorder;

void recorder_check_reader(void)
{
	if (unlikely(__atomic_load_n(&recorder.hdr->reader, __ATOMIC_RELAXED) & FUTEX_OWNER_DIED))
		__atomic_store_n(&recorder_gate.gate.generation, 0, __ATOMIC_RELEASE);
}

/* The state of this thread, busy, or NULL: no memory. */
static struct thread_state *own_state(struct thread_state *t)
{
	if (!t)
		return thread_is_dead() ? thread_borrow() : thread_attach();
	t->busy = 1;
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
		recorder_loss(LOSS_NO_MEMORY, 1);
		return NULL;
	}
	/* Closed meanwhile: see recorder_enter(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (t->generation != recorder_gate.gate.generation) {
		recorder_leave(t);
		return NULL;
	}
	return t;
}

uint32_t record_stack(struct thread_state *t, const struct frame_regs *from)
{
	struct stack_view view;

	if (unlikely(t->flushes != recorder_gate.gate.flushes)) {
		t->flushes = recorder_gate.gate.flushes;
		stack_cache_reset(&t->cache);
		t->last_hash = 0;
	}
	stack_capture(&t->cache, from, recorder.depth, &view);
	if (likely(view.hash == t->last_hash && t->last_stack))
		return t->last_stack;
	t->last_stack = stack_table_index(&t->cache, &view);
	t->last_hash = view.hash;
	return t->last_stack;
}

static uint64_t now(void)
{
	return clock_tick() - recorder.tick0;
}

/* Is this allocation to be recorded at all? */
static ALWAYS_INLINE bool wanted(struct thread_state *t, size_t size)
{
	const struct config *cfg = &recorder.cfg;

	if (unlikely(size < cfg->min_size || size > cfg->max_size))
		return false;
	if (likely(cfg->sampling == SAMPLE_ALL))
		return true;
	if (!sampler_hit(t, cfg->sampling == SAMPLE_BYTES ? (int64_t)size : 1))
		return false;
	sampler_redraw(t, cfg->sampling, cfg->sample_mean);
	return true;
}

static double weight_of(uint64_t size)
{
	return sampler_weight(recorder.cfg.sampling, recorder.cfg.sample_mean, size);
}

void record_count_alloc(struct thread_state *t, uint32_t stack, uint64_t bytes, bool sampled)
{
	struct session_site *s = site_get(t, stack);

	if (unlikely(!s))
		return;
	if (unlikely(recorder.cfg.sampling != SAMPLE_ALL)) {
		double w = sampled ? weight_of(bytes) : 1;

		s->w_alloc_count += w;
		s->w_alloc_bytes += w * (double)bytes;
	}
	site_alloc(s, bytes);
}

void record_count_free(struct thread_state *t, uint32_t stack, uint64_t bytes, uint64_t since,
		       bool sampled)
{
	struct session_site *s = site_get(t, stack);
	uint64_t at = now();

	if (unlikely(!s))
		return;
	if (unlikely(recorder.cfg.sampling != SAMPLE_ALL)) {
		double w = sampled ? weight_of(bytes) : 1;

		s->w_free_count += w;
		s->w_free_bytes += w * (double)bytes;
	}
	site_free(s, bytes, at > since ? at - since : 0);
}

uint32_t record_new(struct thread_state *t, uintptr_t addr, uint64_t size, uint32_t stack,
		    uint64_t flags)
{
	uint32_t index = record_take(t);

	if (unlikely(!index)) {
		recorder_loss(LOSS_TABLE_FULL, 1);
		return 0;
	}
	record_fill(&recorder.records[index], addr, size, stack, now(), flags, t->thread);
	return index;
}

/* Counts the end of the block in record @index, whose place stays taken. */
static ALWAYS_INLINE void count_end(struct thread_state *t, const struct session_record *r)
{
	if (likely(!(r->time_flags & REC_INHERITED)))
		record_count_free(t, (uint32_t)(r->size_stack & REC_STACK_MASK),
				  r->size_stack >> REC_SIZE_SHIFT, r->time_flags >> REC_TIME_SHIFT,
				  r->time_flags & REC_MEAN_MASK);
}

void record_end(struct thread_state *t, uint32_t index)
{
	struct session_record *r = &recorder.records[index];

	record_clear(r);
	count_end(t, r);
	record_put(t, index);
}

/* The record in @slot if it is of the block at @addr; takes it out of the shadow. */
static ALWAYS_INLINE uint32_t take_from_shadow(uint32_t *slot, uintptr_t addr)
{
	uint32_t index = __atomic_load_n(slot, __ATOMIC_RELAXED);

	if (!index)
		return 0;
	__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	if (likely(recorder.records[index].addr_thread >> REC_ADDR_SHIFT == addr))
		return index;
	/* Inherited from a parent whose other threads changed the record while it was copied. */
	recorder_loss(LOSS_FORK_RACE, 1);
	return 0;
}

/* The block's record goes into the shadow; what is there was freed behind our back. */
static ALWAYS_INLINE void put_in_shadow(struct thread_state *t, uint32_t *slot, uint32_t index)
{
	uint32_t stale = __atomic_load_n(slot, __ATOMIC_RELAXED);

	__atomic_store_n(slot, index, __ATOMIC_RELAXED);
	if (unlikely(stale)) {
		recorder_loss(LOSS_MISSED_FREE, 1);
		if (recorder.records[stale].addr_thread)
			record_end(t, stale);
	}
}

static void record_block(struct thread_state *t, uintptr_t addr, size_t size,
			 const struct frame_regs *from)
{
	uint32_t stack, index, *slot;

	if (!wanted(t, size))
		return;
	slot = live_slot_make(addr);
	if (unlikely(!slot)) {
		recorder_loss(addr >> ADDRESS_BITS ? LOSS_BAD_ADDRESS : LOSS_NO_MEMORY, 1);
		return;
	}
	stack = record_stack(t, from);
	index = record_new(t, addr, size, stack, recorder.mean_flags);
	if (unlikely(!index))
		return;
	put_in_shadow(t, slot, index);
	record_count_alloc(t, stack, size, true);
}

void record_alloc(struct thread_state *t, const void *p, size_t size, const struct frame_regs *from,
		  enum session_trace_op op)
{
	if (unlikely(recorder.cfg.trace))
		trace_ring_add(op, (uintptr_t)p, size, 0);
	record_block(t, (uintptr_t)p, size, from);
}

void record_free(struct thread_state *t, const void *p, enum session_trace_op op)
{
	uint32_t *slot = live_slot((uintptr_t)p);
	uint32_t index = slot ? take_from_shadow(slot, (uintptr_t)p) : 0;

	if (unlikely(recorder.cfg.trace))
		trace_ring_add(op, (uintptr_t)p, 0, 0);
	if (index)
		record_end(t, index);
}

void record_free_nested(const void *p)
{
	uint32_t *slot, index;

	if (!recorder_gate.gate.generation)
		return;
	slot = live_slot((uintptr_t)p);
	index = slot ? take_from_shadow(slot, (uintptr_t)p) : 0;
	if (!index)
		return;
	record_clear(&recorder.records[index]);
	recorder_loss(LOSS_REENTRANT, 1);
}

uint32_t record_realloc_begin(const void *p)
{
	uint32_t *slot = live_slot((uintptr_t)p);

	return slot ? take_from_shadow(slot, (uintptr_t)p) : 0;
}

void record_realloc_abort(uint32_t held, const void *p)
{
	uint32_t *slot = live_slot((uintptr_t)p);

	if (held && slot)
		__atomic_store_n(slot, held, __ATOMIC_RELAXED);
}

void record_realloc_commit(struct thread_state *t, uint32_t held, const void *old, const void *p,
			   size_t size, const struct frame_regs *from)
{
	if (unlikely(recorder.cfg.trace))
		trace_ring_add(TRACE_REALLOC, (uintptr_t)p, size, (uintptr_t)old);
	if (held)
		record_end(t, held);
	if (p)
		record_block(t, (uintptr_t)p, size, from);
}
