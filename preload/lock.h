// SPDX-License-Identifier: MIT
/*
 * lock.h - a futex mutex for the slow paths of libleak.so.
 *
 * Not pthread_mutex: that may be interposed by the program (or be half set up
 * in early boot), and a forked child must be able to reset ours by a store.
 * A thread takes a lock only while its busy flag is set, so a signal handler
 * on the same thread never waits for itself. The lock order is in
 * ARCHITECTURE.md; no lock is held across a call into the C library that may
 * allocate or lock.
 */
#ifndef PRELOAD_LOCK_H
#define PRELOAD_LOCK_H

#include <linux/futex.h>
#include <stdatomic.h>

#include "sys.h"

struct lock {
	atomic_int state;	/* 0 free, 1 held, 2 held and somebody waits */
};

/* Says nothing, not even in errno, which free() must leave alone. */
static inline void lock_futex(struct lock *l, int op, int value)
{
	sys_raw(SYS_futex, (long)&l->state, op, value, 0, 0, 0);
}

static inline void lock_acquire(struct lock *l)
{
	int expected = 0;

	if (atomic_compare_exchange_strong_explicit(&l->state, &expected, 1, memory_order_acquire,
						    memory_order_relaxed))
		return;
	while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
		lock_futex(l, FUTEX_WAIT_PRIVATE, 2);
}

static inline int lock_try(struct lock *l)
{
	int expected = 0;

	return atomic_compare_exchange_strong_explicit(&l->state, &expected, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void lock_release(struct lock *l)
{
	if (atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2)
		lock_futex(l, FUTEX_WAKE_PRIVATE, 1);
}

/* Only in a forked child, whose other threads are gone. */
static inline void lock_reset(struct lock *l)
{
	atomic_store(&l->state, 0);
}

#endif
