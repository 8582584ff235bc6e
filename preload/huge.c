// SPDX-License-Identifier: MIT
/* huge.c - see huge.h. */
#include "huge.h"

#include <stdatomic.h>

#include "clock.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE	/* Linux 6.1 */
#define MADV_COLLAPSE 25
#endif

/* About what 512 small pages take, and how many huge ones may have cost too much at first. */
#define SMALL_NS 1500000u
#define SLACK 2

static atomic_bool stopped, no_private, no_shared, asked_shared;
static _Atomic uint64_t pages, spent_ns;

static bool advise(void *p, uint64_t len, int advice)
{
	return sys_raw(SYS_madvise, (long)p, (long)len, advice, 0, 0, 0) == 0;
}

/* Did all of them so far, with the one from @begin on, take longer than small ones would have? */
static bool takes_too_long(uint64_t begin)
{
	uint64_t took = clock_ns(CLOCK_MONOTONIC) - begin;
	uint64_t n = atomic_fetch_add(&pages, 1) + 1;

	return atomic_fetch_add(&spent_ns, took) + took > (n + SLACK) * SMALL_NS;
}

/*
 * MADV_COLLAPSE waits for a worker of the kernel's on every processor: perhaps for ever
 * where real-time tasks need not leave any time to others.
 */
static bool workers_may_starve(void)
{
	long fd = sys_raw(SYS_openat, AT_FDCWD, (long)"/proc/sys/kernel/sched_rt_runtime_us",
			  O_RDONLY | O_CLOEXEC, 0, 0, 0);
	char first = 0;

	if (fd < 0)
		return false;
	sys_raw(SYS_read, fd, (long)&first, 1, 0, 0, 0);
	sys_raw(SYS_close, fd, 0, 0, 0, 0, 0);
	return first == '-';
}

void huge_none(void *p, size_t len)
{
	if (!stopped)
		advise(p, len, MADV_NOHUGEPAGE);
}

void huge_private(void *page, uint32_t *word)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	bool asked = !stopped && !no_private && advise(page, HUGE_PAGE, MADV_HUGEPAGE);

	__atomic_store_n(word, 0, __ATOMIC_RELAXED);
	if (!asked || takes_too_long(begin))
		no_private = true;
}

/* (Only a page that has something in it already can become a huge one.) */
bool huge_shared(void *page)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	bool done;

	if (stopped || no_shared || (!atomic_exchange(&asked_shared, true) && workers_may_starve()))
		done = false;
	else
		done = advise(page, 4096, MADV_POPULATE_WRITE) &&
		       advise(page, HUGE_PAGE, MADV_COLLAPSE);
	if (!done || takes_too_long(begin))
		no_shared = true;
	return done;
}

void huge_stop(void)
{
	stopped = true;
}
