// SPDX-License-Identifier: MIT
/*
 * real_musl.h - musl's allocator. Its calloc, memalign, posix_memalign and valloc get their blocks
 * from malloc and aligned_alloc by name, which are hooks: each block would be recorded
 * twice, once with one of the C library's own frames. These do the same with the
 * functions behind the hooks. And its smallest blocks are too near each other
 * (live_table.h).
 */
#ifndef PRELOAD_REAL_MUSL_H
#define PRELOAD_REAL_MUSL_H

/* Takes the place of those in `real` that are musl's, after all have been looked up. */
void real_musl_amend(void);

#endif
