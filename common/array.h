// SPDX-License-Identifier: MIT
/* array.h - arrays that grow by doubling. */
#ifndef COMMON_ARRAY_H
#define COMMON_ARRAY_H

#include <stddef.h>

/*
 * Makes sure that an array of `count` entries has room for one more. Returns the
 * array, perhaps moved, and updates *room; NULL without memory, and then the array
 * is as before.
 */
void *array_grow(void *array, size_t count, size_t *room, size_t entry_size);

#endif
