// SPDX-License-Identifier: MIT
/*
 * thread_state.h - what each thread owns: its kept stack, sampling countdown,
 * free records, and a slot that names its sites.
 *
 * Life of a thread's state:
 *
 *	none ──first event──► active ──key destructor──► dead
 *	  ▲                     │  ▲                       │
 *	  └──── (recycled) ◄────┘  └──── borrowed ◄────────┘
 *
 * States are mmapped, never freed, and recycled: the next thread takes over a
 * slot with its sites, so that memory is bounded by the number of threads that
 * lived at once. A thread whose state is gone (its destructors have run, the C
 * library still frees a few blocks) borrows the state of the graveyard, which
 * all such threads share under a lock.
 */
#ifndef PRELOAD_THREAD_STATE_H
#define PRELOAD_THREAD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "compiler.h"
#include "stack_capture.h"
#include "stack_memo.h"

/* Of a state that has seen no session: not 0, which is a closed gate's. */
#define NO_GENERATION UINT32_MAX

struct thread_state {
	union {
		struct {
			uint32_t generation;	/* of the gate when it became active: names the session */
			uint32_t flushes;	/* of the gate when the kept stacks were valid */
		};
		uint64_t gate;		/* both */
	};
	uint8_t busy;		/* the thread is inside libleak; see recorder_enter() */
	uint8_t borrowed;	/* the graveyard's: held under its lock */
	uint16_t thread;	/* index in SECT_THREADS */
	uint32_t slot;		/* names this state's sites; from 1 */
	uint64_t free_at;	/* list of free records; see records.h */
	int32_t free_count;	/* how many more they are than when the list was taken */
	uint32_t until_timed;	/* recorded events; see overhead.h */
	uint32_t timed_for;	/* how many of them the next timed one stands for */

	struct frame_regs from;	/* of the event that a hook has left to others; see hooks.c */
	const void *last_block;	/* what the malloc family returned last; see hooks_new.c */

	uint64_t countdown;	/* bytes or allocations until the next sample; see sampler.h */
	uint64_t mean_flags;	/* REC_MEAN bits: the mean that the countdown was drawn by */
	size_t cost_mask;	/* all ones: an allocation costs its bytes; 0: it costs one */
	uint64_t rng;

	struct clock_lately clock;
	uint64_t time;		/* the same as session_record_time(); see record_catch_up() */
	uint32_t *site_of;	/* by stack index: index in SECT_SITES, 0: none yet */
	struct thread_state *next;	/* all states, or the free ones */
	struct thread_state *next_free;
	uint32_t tid;
	uint8_t destructor_rounds;
	bool refilled;		/* the list of free records, since the session began */
	struct frame_cache cache;
	struct stack_memos memos;
};

extern THREAD_LOCAL struct thread_state *thread_self __attribute__((visibility("hidden")));

/* Once per process. 0 or -errno. */
int threads_init(void);

/* Gives the calling thread a state (thread_self), or NULL: no memory. */
struct thread_state *thread_attach(void);

/* True while the calling thread's own state is gone for good. */
bool thread_is_dead(void);

/* Takes / returns the graveyard's state. NULL: no memory. */
struct thread_state *thread_borrow(void);
void thread_give_back(struct thread_state *t);

/* The session changed under @t, the calling thread's state: starts it afresh. */
void thread_restart(struct thread_state *t);

/* Code was unloaded: what was kept of stacks is void. */
void thread_forget_stacks(struct thread_state *t);

/* In a forked child: the other threads are gone, their states are free. */
void threads_after_fork(void);

/* Bytes of memory that all states occupy now. */
uint64_t threads_resident_bytes(void);

/* Is any thread inside the recorder? After the gate was closed, so that none enters. */
bool threads_any_busy(void);

#endif
