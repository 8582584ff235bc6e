// SPDX-License-Identifier: MIT
/* session_modules.c - which module of a session held an address in an epoch. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/session_private.h"

#include <stdlib.h>

/*
 * Modules that lie around an address without holding it in that epoch: a hostile
 * session may have a million of them, a process has the remains of a few.
 */
#define STARTS_TRIED 64

static int compare_modules(const void *a, const void *b, void *arg)
{
	const struct session_module *modules = arg;
	const struct session_module *x = &modules[*(const uint32_t *)a];
	const struct session_module *y = &modules[*(const uint32_t *)b];

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->first_epoch != y->first_epoch)
		return x->first_epoch < y->first_epoch ? -1 : 1;
	return (x > y) - (x < y);
}

uint32_t *session_sort_modules(const struct session_module *modules, uint64_t count)
{
	uint32_t *order = malloc((count + 1) * sizeof(*order));

	for (uint64_t i = 0; order && i < count; i++)
		order[i] = (uint32_t)i;
	if (order && count)
		qsort_r(order, count, sizeof(*order), compare_modules, (void *)modules);
	return order;
}

/* The number of modules in order that begin before (start, epoch), or there. */
static uint64_t upper_bound(const struct session *s, uint64_t count, uint64_t start,
			    uint32_t epoch)
{
	const struct session_module *modules = session_module_table(s);
	uint64_t lo = 0, hi = count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		const struct session_module *m = &modules[s->modules_by_start[mid]];

		if (m->start < start || (m->start == start && m->first_epoch <= epoch))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Of the modules with one start, the one that was mapped last before the epoch ended. */
const struct session_module *session_find_module(const struct session *s, uint64_t addr,
						 uint32_t epoch)
{
	const struct session_module *modules = session_module_table(s);
	uint64_t at = upper_bound(s, session_count(s, SECT_MODULES), addr, UINT32_MAX);

	for (int tries = 0; tries < STARTS_TRIED && at; tries++) {
		uint64_t start = modules[s->modules_by_start[at - 1]].start;
		uint64_t fits = upper_bound(s, at, start, epoch);
		uint32_t index = fits ? s->modules_by_start[fits - 1] : 0;
		const struct session_module *m = &modules[index];

		if (index && m->start == start && addr < m->end &&
		    (!m->end_epoch || epoch < m->end_epoch))
			return m;
		at = start ? upper_bound(s, at, start - 1, UINT32_MAX) : 0;
	}
	return NULL;
}
