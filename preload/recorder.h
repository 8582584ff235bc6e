// SPDX-License-Identifier: MIT
/*
 * recorder.h - the state of libleak.so that all threads share, and what hooks
 * call to record an event.
 *
 * Model. A hook asks recorder_enter() for the thread's state. NULL means "not
 * now": recording is off, this process has no session, or the thread is inside
 * the recorder already (a signal handler, or what it calls allocates); the hook
 * then just calls the real function. Otherwise the thread is marked busy until
 * recorder_leave().
 *
 * gate.generation says whether recording is on. It lies on a page of its own
 * that the kernel zeroes in a forked child (MADV_WIPEONFORK), so any fork,
 * however made, is noticed at the child's first event, at the price of the load
 * that is needed anyway. Generation 0: off, or not started, or just forked.
 */
#ifndef PRELOAD_RECORDER_H
#define PRELOAD_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/session_format.h"
#include "compiler.h"
#include "config.h"
#include "lock.h"
#include "shm.h"
#include "thread_state.h"

union gate {
	struct {
		uint32_t generation;	/* threads with the same generation may record */
		uint32_t flushes;	/* counts unloads: kept stacks of another count are void */
	uint32_t process;	/* pid of the process that records, or will; 0 in a forked child */
	};
	uint64_t both;
};

struct recorder {
	struct shm shm;
	struct session_header *hdr;
	struct session_record *records;
	uint16_t *record_threads;
	struct session_stack *stacks;
	struct session_site *sites;
	uint64_t tick0;
	struct config cfg;
	uint32_t depth;
	bool choosy;			/* not every allocation is recorded: sampling, size filter */
	bool weighs;			/* blocks stand for more than themselves, now or later */
	/* Smaller blocks are plain: neither of these, nothing is traced. See record_plain.h */
	size_t plain;
	uint32_t **shadow;		/* live_root, NULL: frees are traced, or nothing has begun */
	bool temporary;			/* the session goes away after the exit report */
	bool frozen;			/* a seccomp filter may kill: no system call but malloc's own */
	/* Written now and then: not in a cache line that every event reads. */
	_Alignas(64) struct lock grow;	/* sections, stack table, free batches; see ARCHITECTURE.md */
	uint32_t free_batches;		/* first record of the first batch given back, 0: none */
	atomic_int visitors;		/* threads at the session without being busy: it stays mapped */
};

extern union gate_page {
	union gate gate;
	char page[4096];
} recorder_gate __attribute__((visibility("hidden")));

extern struct recorder recorder __attribute__((visibility("hidden")));

/*
 * What a hook knows about its caller. On x86-64 the frame pointer leads to both the
 * return address and the caller's stack pointer.
 */
#if defined(__x86_64__)
#define HOOK_CALLER                                                                                \
	((struct frame_regs){ .ip = (uintptr_t)__builtin_return_address(0),                        \
			      .sp = (uintptr_t)__builtin_frame_address(0) + 16,                    \
			      .bp = *(uintptr_t *)__builtin_frame_address(0) })
/* The same, read from memory once more, so that no register is held until then. */
#define HOOK_CALLER_AGAIN                                                                          \
	((struct frame_regs){ .ip = ((volatile uintptr_t *)__builtin_frame_address(0))[1],         \
			      .sp = (uintptr_t)__builtin_frame_address(0) + 16,                    \
			      .bp = ((volatile uintptr_t *)__builtin_frame_address(0))[0] })
#else
#define HOOK_CALLER_AGAIN HOOK_CALLER
#define HOOK_CALLER                                                                                \
	((struct frame_regs){ .ip = (uintptr_t)__builtin_extract_return_addr(                      \
				      __builtin_return_address(0)),                                \
			      .sp = (uintptr_t)__builtin_dwarf_cfa() })
#endif

/* Everything that recorder_enter() cannot decide inline. */
COLD struct thread_state *recorder_enter_slow(struct thread_state *t);

/*
 * Marks a thread busy that records already, as nearly always. False: that is for
 * recorder_enter(). @t: thread_self.
 */
static ALWAYS_INLINE bool recorder_reenter(struct thread_state *t)
{
	if (unlikely(!t) || unlikely(t->busy))
		return false;
	/*
	 * Busy first, then the gate: who closes the gate (lifecycle_detach) makes
	 * every processor pass a barrier and then waits until no thread is busy.
	 */
	t->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if (likely(t->gate == recorder_gate.gate.both))
		return true;
	t->busy = 0;
	return false;
}

/* After recorder_reenter(). */
static ALWAYS_INLINE void recorder_releave(struct thread_state *t)
{
	atomic_signal_fence(memory_order_seq_cst);
	t->busy = 0;
}

static ALWAYS_INLINE struct thread_state *recorder_enter(void)
{
	struct thread_state *t = thread_self;

	return likely(recorder_reenter(t)) ? t : recorder_enter_slow(t);
}

static ALWAYS_INLINE void recorder_leave(struct thread_state *t)
{
	if (unlikely(t->borrowed))
		thread_give_back(t);
	else
		recorder_releave(t);
}

/*
 * A cold place that every recording passes now and then: closes the gate when
 * the process that watches an attached recording has died.
 */
void recorder_check_reader(void);
bool recorder_reader_is_gone(void);

/* Counts a loss. Between recorder_enter() and recorder_leave(). */
static inline void recorder_loss(enum session_loss cause, uint64_t n)
{
	struct session_header *h = recorder.hdr;

	if (h)
		__atomic_fetch_add(&h->loss[cause], n, __ATOMIC_RELAXED);
}

/* The same without a thread state. Any context. */
COLD void recorder_loss_outside(enum session_loss cause);

/*
 * A block of @size bytes at @p was allocated. @from describes the caller of the
 * hook. Between recorder_enter() and recorder_leave().
 */
void record_alloc(struct thread_state *t, const void *p, size_t size, const struct frame_regs *from,
		  enum session_trace_op op);

/* The block at @p is about to be freed; unknown blocks are no event. */
void record_free(struct thread_state *t, const void *p, enum session_trace_op op);

/*
 * The same without a thread state (a signal handler interrupted the recorder):
 * puts the table right, and gives up the record's place.
 */
void record_free_nested(const void *p);

/*
 * realloc as reserve - call - commit: detach before the real call (another
 * thread may get the address the moment it is released), then commit with the
 * result, or put back when it failed. The value is opaque; 0: was not recorded.
 */
uint32_t record_realloc_begin(const void *p);
void record_realloc_commit(struct thread_state *t, uint32_t held, const void *old, const void *p,
			   size_t size, const struct frame_regs *from);
void record_realloc_abort(uint32_t held, const void *p);

/* Parts of the above, for the mmap table. */
uint32_t record_stack(struct thread_state *t, const struct frame_regs *from);
void record_count_alloc(struct thread_state *t, uint32_t stack, uint64_t bytes, uint64_t mean);
void record_count_free(struct thread_state *t, uint32_t stack, uint64_t bytes, uint64_t since,
		       uint64_t mean);

#endif
