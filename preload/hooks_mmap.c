// SPDX-License-Identifier: MIT
/*
 * hooks_mmap.c - mmap, munmap, mremap, mprotect.
 *
 * What an allocator maps for itself is no event: its blocks are recorded one by
 * one. (The C library's own calls don't come through here at all.)
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "lifecycle.h"
#include "mmap_table.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"
#include "trace_ring.h"

#ifndef MREMAP_DONTUNMAP	/* glibc 2.32 */
#define MREMAP_DONTUNMAP 4
#endif

/*
 * These hooks look up and start nothing: an allocator maps memory while it holds
 * its own locks, and dlsym may allocate.
 */
static bool resolved(void)
{
	return __atomic_load_n(&real.resolved, __ATOMIC_ACQUIRE);
}

static void *next_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (resolved() && real.mmap)
		return real.mmap(addr, len, prot, flags, fd, off);
	return sys_mmap(addr, len, prot, flags, fd, off);
}

static int next_munmap(void *addr, size_t len)
{
	return resolved() && real.munmap ? real.munmap(addr, len) : sys_munmap(addr, len);
}

/* The thread's state when this call is to be recorded, else NULL. */
static struct thread_state *enter(const struct frame_regs *from)
{
	if (!resolved() || !lifecycle_started() || !recorder.cfg.mmap ||
	    from->ip - real.allocator_start < real.allocator_end - real.allocator_start)
		return NULL;
	return recorder_enter();
}

#define NOT_BLOCKED	(1ull << (SIGKILL - 1))	/* in no mask */

/*
 * A collector stops the other threads by signals, and then maps and unmaps: none may be
 * stopped while it holds the table's lock. What a thread brings upon itself is let through.
 * (In a sandbox the call might be forbidden.) Returns the mask as it was.
 */
static uint64_t block_signals(void)
{
	const uint64_t own = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |
			     1ull << (SIGFPE - 1) | 1ull << (SIGTRAP - 1) | 1ull << (SIGSYS - 1);
	uint64_t most = ~own, was;

	if (recorder.frozen || sys_raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&most, (long)&was,
				       sizeof(most), 0, 0))
		return NOT_BLOCKED;
	return was;
}

static void restore_signals(uint64_t mask)
{
	if (mask != NOT_BLOCKED)
		sys_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask), 0, 0);
}

/* The table, for a thread that enter() has let in. Returns what end() takes. */
static uint64_t begin(void)
{
	uint64_t mask = block_signals();

	mmap_table_lock();
	return mask;
}

static void end(struct thread_state *t, uint64_t mask)
{
	mmap_table_unlock();
	recorder_leave(t);
	restore_signals(mask);
}

static void trace(enum session_trace_op op, const void *addr, size_t len, const void *old)
{
	if (recorder.cfg.trace)
		trace_ring_add(op, (uintptr_t)addr, len, (uintptr_t)old);
}

static ALWAYS_INLINE void *map(void *addr, size_t len, int prot, int flags, int fd, off_t off,
			       const struct frame_regs *from)
{
	struct thread_state *t = enter(from);
	uint64_t mask;
	int err;
	void *p;

	if (!t)
		return next_mmap(addr, len, prot, flags, fd, off);
	mask = begin();
	p = next_mmap(addr, len, prot, flags, fd, off);
	err = errno;
	if (p != MAP_FAILED) {
		trace(TRACE_MMAP, p, len, NULL);
		if (prot == PROT_NONE)
			mmap_table_reserve(t, (uintptr_t)p, len);
		else
			mmap_table_add(t, (uintptr_t)p, len, from);
	}
	end(t, mask);
	errno = err;
	return p;
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct frame_regs from = HOOK_CALLER;

	return map(addr, len, prot, flags, fd, off, &from);
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct frame_regs from = HOOK_CALLER;

	return map(addr, len, prot, flags, fd, off, &from);
}

EXPORT int munmap(void *addr, size_t len)
{
	struct frame_regs from = HOOK_CALLER;
	struct thread_state *t = enter(&from);
	uint64_t mask;
	int ret, err;

	if (!t)
		return next_munmap(addr, len);
	mask = begin();
	ret = next_munmap(addr, len);
	err = errno;
	if (!ret) {
		trace(TRACE_MUNMAP, addr, len, NULL);
		mmap_table_remove(t, (uintptr_t)addr, len);
	}
	end(t, mask);
	errno = err;
	return ret;
}

/* What was @old is at @p now, or there as well; it is as accessible as it was. */
static ALWAYS_INLINE void remapped(struct thread_state *t, uintptr_t old, size_t old_len,
				   uintptr_t p, size_t len, int flags, const struct frame_regs *from)
{
	bool reserved = mmap_table_is_reserved(old);

	/* An old length of 0 makes a second mapping: the first one stays. */
	if (old_len && !(flags & MREMAP_DONTUNMAP))
		mmap_table_remove(t, old, old_len);
	if (reserved)
		mmap_table_reserve(t, p, len);
	else
		mmap_table_add(t, p, len, from);
}

EXPORT void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	struct frame_regs from = HOOK_CALLER;
	struct thread_state *t;
	void *to = NULL, *p;
	uint64_t mask = 0;
	va_list ap;
	int err;

	if (flags & MREMAP_FIXED) {
		va_start(ap, flags);
		to = va_arg(ap, void *);
		va_end(ap);
	}
	t = enter(&from);
	if (t)
		mask = begin();
	p = resolved() && real.mremap ? real.mremap(old, old_len, len, flags, to)
					: sys_mremap(old, old_len, len, flags, to);
	err = errno;
	if (!t)
		return p;
	if (p != MAP_FAILED) {
		trace(TRACE_MREMAP, p, len, old);
		remapped(t, (uintptr_t)old, old_len, (uintptr_t)p, len, flags, &from);
	}
	end(t, mask);
	errno = err;
	return p;
}

#define NO_KEY	(-1)	/* pkey_mprotect with that is mprotect */

static int next_mprotect(void *addr, size_t len, int prot, int key)
{
	if (key == NO_KEY)
		return resolved() && real.mprotect ? real.mprotect(addr, len, prot)
						   : sys_mprotect(addr, len, prot);
	if (resolved() && real.pkey_mprotect)
		return real.pkey_mprotect(addr, len, prot, key);
	return (int)sys_call(SYS_pkey_mprotect, (long)addr, (long)len, (long)prot, (long)key, 0, 0);
}

/* Only what makes reserved addresses accessible is of interest. */
static ALWAYS_INLINE int protect(void *addr, size_t len, int prot, int key,
				 const struct frame_regs *from)
{
	struct thread_state *t = prot != PROT_NONE && mmap_table_any_reserved() ? enter(from) : NULL;
	uint64_t mask;
	int ret, err;

	if (!t)
		return next_mprotect(addr, len, prot, key);
	mask = begin();
	ret = next_mprotect(addr, len, prot, key);
	err = errno;
	if (!ret)
		mmap_table_open(t, (uintptr_t)addr, len, from);
	end(t, mask);
	errno = err;
	return ret;
}

EXPORT int mprotect(void *addr, size_t len, int prot)
{
	struct frame_regs from = HOOK_CALLER;

	return protect(addr, len, prot, NO_KEY, &from);
}

EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int key)
{
	struct frame_regs from = HOOK_CALLER;

	return protect(addr, len, prot, key, &from);
}
