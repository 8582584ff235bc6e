// SPDX-License-Identifier: MIT
/* eh_frame.c - see eh_frame.h. */
#include "eh_frame.h"

#include <stddef.h>
#include <string.h>

/*
 * Length 20, CIE, version 1, "zR", code alignment 1, data alignment -8, return address
 * in 16, pointers are pc-relative sdata4; CFA = r7 + 8, r16 at CFA - 8.
 */
static const uint8_t first_entry[] = {
	0x14, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 0x10, 1, 0x1b,
	0x0c, 7, 8, 0x90, 1,
};

const uint8_t *eh_frame_search(const uint8_t *from, const uint8_t *to)
{
	return to > from ? memmem(from, (size_t)(to - from), first_entry, sizeof(first_entry)) :
			   NULL;
}

struct entry {
	uint32_t length;	/* of what follows */
	uint32_t cie;		/* 0: this is a CIE */
	int32_t begin;		/* from here */
	uint32_t size;
};

const uint8_t *eh_frame_entry(const uint8_t *section, const uint8_t *to, uintptr_t pc)
{
	struct entry e;

	while ((size_t)(to - section) >= sizeof(e)) {
		uintptr_t begin = (uintptr_t)section + offsetof(struct entry, begin);

		memcpy(&e, section, sizeof(e));
		if (!e.length || e.length > (size_t)(to - section) - 4)
			return NULL;
		begin += (uintptr_t)(intptr_t)e.begin;
		if (e.cie && pc - begin < e.size)
			return section;
		section += 4 + e.length;
	}
	return NULL;
}
