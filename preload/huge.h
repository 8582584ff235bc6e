// SPDX-License-Identifier: MIT
/*
 * huge.h - pages of 2 MiB for tables that have become large.
 *
 * One costs the kernel a fifth to an eighth of what 512 small pages cost, and the
 * processor one entry of its TLB. They are asked for one at a time, by who knows that
 * all of it will be used. But where memory is fragmented the kernel may have to move much
 * for one, and in a virtual machine that gives free memory back to its host (free page
 * reporting) one comes from the host, 4 KiB at a time, where small pages are those that
 * were freed just now. So when all of them have taken longer than small pages would have,
 * or one was refused (kernels without, memory limits, file systems other than tmpfs),
 * none is asked for any more, and there are small pages as ever.
 *
 * Any thread may call these. errno stays.
 */
#ifndef PRELOAD_HUGE_H
#define PRELOAD_HUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUGE_PAGE ((uint64_t)2 << 20)

static inline uint64_t huge_down(uint64_t n)
{
	return n & ~(HUGE_PAGE - 1);
}

static inline uint64_t huge_up(uint64_t n)
{
	return huge_down(n + HUGE_PAGE - 1);
}

/* Private memory at @p gets small pages, whatever the system's default is. */
void huge_none(void *p, size_t len);

/*
 * The 2 MiB at @page, a multiple of that in private memory where nothing was touched
 * yet, become a huge page if possible. Writes 0 to @word there, which is the caller's.
 */
void huge_private(void *page, uint32_t *word);

/*
 * The same in a shared mapping of a file, at a multiple of 2 MiB of the file, too.
 * True: all of it can be touched. False: nothing can be said of it.
 */
bool huge_shared(void *page);

/* From now on the kernel is not asked for anything. */
void huge_stop(void);

#endif
