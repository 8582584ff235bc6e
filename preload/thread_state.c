// SPDX-License-Identifier: MIT
/* thread_state.c - see thread_state.h. */
#include "thread_state.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>

#include "clock.h"
#include "libc.h"
#include "overhead.h"
#include "recorder.h"
#include "sampling.h"
#include "sys.h"

THREAD_LOCAL struct thread_state *thread_self;
static THREAD_LOCAL bool thread_dead;
static THREAD_LOCAL bool borrowing;	/* a signal handler must not wait for its own thread */

static struct lock list_lock;
static struct thread_state *all_states, *free_states;
static uint32_t last_slot;
static struct lock graveyard_lock;
static struct thread_state *graveyard;

/* Set by the first recording; a later one (attached again) keeps within it. */
static size_t site_map_bytes;

static struct thread_state *new_state(void)
{
	struct thread_state *t = sys_reserve(sizeof(*t));

	if (!t)
		return NULL;
	t->site_of = sys_reserve(site_map_bytes);
	if (!t->site_of) {
		sys_munmap(t, sizeof(*t));
		return NULL;
	}
	t->generation = NO_GENERATION;
	t->slot = ++last_slot;
	t->next = all_states;
	all_states = t;
	return t;
}

static struct thread_state *take_state(void)
{
	struct thread_state *t;

	lock_acquire(&list_lock);
	t = free_states;
	if (t)
		free_states = t->next_free;
	else
		t = new_state();
	lock_release(&list_lock);
	return t;
}

static void release_state(struct thread_state *t)
{
	lock_acquire(&list_lock);
	t->next_free = free_states;
	free_states = t;
	lock_release(&list_lock);
}

/* Names the calling thread in SECT_THREADS; a bounded table, later ones share a name. */
static uint16_t name_thread(void)
{
	struct session_section *sec = &recorder.hdr->section[SECT_THREADS];
	struct session_thread *all;
	uint64_t index;

	lock_acquire(&recorder.grow);
	index = sec->used;
	if (index >= REC_THREAD_OTHER || recorder.frozen ||
	    shm_grow(&recorder.shm, SECT_THREADS, (index + 1) * sizeof(*all))) {
		recorder_loss(LOSS_THREADS, 1);
		index = REC_THREAD_OTHER;
	} else {
		all = (void *)recorder.shm.sect[SECT_THREADS].base;
		all[index] = (struct session_thread){
			.tid = (uint32_t)syscall(SYS_gettid),
			.flags = 1,
			.start_tick = clock_tick() - recorder.tick0,
		};
		prctl(PR_GET_NAME, all[index].comm);
		__atomic_store_n(&sec->used, index + 1, __ATOMIC_RELEASE);
	}
	lock_release(&recorder.grow);
	return (uint16_t)index;
}

void thread_forget_stacks(struct thread_state *t)
{
	t->flushes = recorder_gate.gate.flushes;
	stack_cache_reset(&t->cache);
	stack_memo_reset(&t->memos);
}

/*
 * Makes @t, which the caller owns and marked busy, fit for the current session.
 * Does nothing when the gate has been closed since the caller looked: the session
 * may be gone, and recorder_enter_slow() will see that, too.
 */
void thread_restart(struct thread_state *t)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!recorder_gate.gate.generation)
		return;
	if (t->generation != recorder_gate.gate.generation) {
		if (t->generation != NO_GENERATION)
			sys_madvise(t->site_of, site_map_bytes, MADV_DONTNEED);
		t->free_at = 0;
		t->free_count = 0;
		t->refilled = false;
		t->generation = recorder_gate.gate.generation;
	}
	t->thread = name_thread();
	t->destructor_rounds = 0;
	overhead_start(t);
	t->clock = (struct clock_lately){ { 0, 0 }, 0 };
	thread_forget_stacks(t);
	memset(t->cache.range, 0, sizeof(t->cache.range));
	sampling_start(t);
}

static void key_destructor(void *arg);

struct thread_state *thread_attach(void)
{
	struct thread_state *t = take_state();

	if (!t)
		return NULL;
	/* Busy first: what follows may allocate (libc_keep). */
	t->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	thread_self = t;
	if (libc_at_thread_end(key_destructor) == 0)
		libc_keep(t);
	thread_restart(t);
	return t;
}

bool thread_is_dead(void)
{
	return thread_dead;
}

/*
 * Other keys' destructors, which run in unspecified order, still free blocks.
 * So ours asks for another round until the last one that POSIX grants.
 */
static void key_destructor(void *arg)
{
	struct thread_state *t = arg;

	if (++t->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
		t->busy = 1;
		atomic_signal_fence(memory_order_seq_cst);
		libc_keep(t);
		atomic_signal_fence(memory_order_seq_cst);
		t->busy = 0;
		return;
	}
	thread_dead = true;
	thread_self = NULL;
	release_state(t);
}

struct thread_state *thread_borrow(void)
{
	if (borrowing)
		return NULL;
	borrowing = true;
	lock_acquire(&graveyard_lock);
	if (!graveyard) {
		graveyard = take_state();
		if (graveyard)
			graveyard->borrowed = 1;
	}
	if (!graveyard) {
		lock_release(&graveyard_lock);
		borrowing = false;
		return NULL;
	}
	graveyard->busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	thread_self = graveyard;
	if (graveyard->generation != recorder_gate.gate.generation)
		thread_restart(graveyard);
	return graveyard;
}

void thread_give_back(struct thread_state *t)
{
	thread_self = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	t->busy = 0;
	lock_release(&graveyard_lock);
	borrowing = false;
}

int threads_init(void)
{
	int ret;

	if (!site_map_bytes)
		site_map_bytes = ((size_t)recorder.cfg.max_stacks + 2) * sizeof(uint32_t);
	else if (recorder.cfg.max_stacks > site_map_bytes / sizeof(uint32_t) - 2)
		recorder.cfg.max_stacks = (uint32_t)(site_map_bytes / sizeof(uint32_t) - 2);
	ret = libc_at_thread_end(key_destructor);
	return ret == -ENOSYS ? 0 : ret;	/* the first thread asks again */
}

void threads_after_fork(void)
{
	lock_reset(&list_lock);
	lock_reset(&graveyard_lock);
	graveyard = NULL;
	free_states = NULL;
	for (struct thread_state *t = all_states; t; t = t->next) {
		if (t == thread_self)
			continue;
		t->busy = 0;
		t->borrowed = 0;
		t->next_free = free_states;
		free_states = t;
	}
}

bool threads_any_busy(void)
{
	bool busy = false;

	lock_acquire(&list_lock);
	for (struct thread_state *t = all_states; t && !busy; t = t->next)
		busy = __atomic_load_n(&t->busy, __ATOMIC_RELAXED) && t != thread_self;
	lock_release(&list_lock);
	return busy;
}

/* At exit, perhaps of a signal handler that has interrupted the holder: it must not wait for ever. */
static bool lock_list_soon(void)
{
	for (int i = 0; i < 1000; i++) {
		if (lock_try(&list_lock))
			return true;
		sys_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
	return false;
}

uint64_t threads_resident_bytes(void)
{
	uint64_t bytes = 0;

	if (!lock_list_soon())
		return 0;
	for (struct thread_state *t = all_states; t; t = t->next)
		bytes += sys_resident(t, sizeof(*t)) + sys_resident(t->site_of, site_map_bytes);
	lock_release(&list_lock);
	return bytes;
}
