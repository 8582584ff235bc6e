// SPDX-License-Identifier: MIT
/* array.c - arrays that grow by doubling. */
#define _GNU_SOURCE 1
#include "common/array.h"

#include <stdlib.h>

#define FIRST_ROOM 16

void *array_grow(void *array, size_t count, size_t *room, size_t entry_size)
{
	size_t bigger = *room ? *room * 2 : FIRST_ROOM;
	void *p;

	if (count < *room)
		return array;
	p = reallocarray(array, bigger, entry_size);
	if (p)
		*room = bigger;
	return p;
}
