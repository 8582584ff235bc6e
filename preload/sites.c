// SPDX-License-Identifier: MIT
/* sites.c - see sites.h. */
#include "sites.h"

static uint32_t append(struct thread_state *t, uint32_t stack)
{
	struct session_section *sec = &recorder.hdr->section[SECT_SITES];
	uint32_t index;

	if (!sec->used)
		sec->used = 1;
	index = (uint32_t)sec->used;
	if (shm_grow(&recorder.shm, SECT_SITES, (sec->used + 1) * sizeof(struct session_site))) {
		recorder_loss(LOSS_NO_SPACE, 1);
		return 0;
	}
	recorder.sites = (void *)recorder.shm.sect[SECT_SITES].base;
	recorder.sites[index].thread_slot = t->slot;
	__atomic_store_n(&recorder.sites[index].stack, stack, __ATOMIC_RELEASE);
	__atomic_store_n(&sec->used, index + 1u, __ATOMIC_RELEASE);
	return index;
}

struct session_site *site_make(struct thread_state *t, uint32_t stack)
{
	uint32_t index;

	lock_acquire(&recorder.grow);
	index = append(t, stack);
	lock_release(&recorder.grow);
	t->site_of[stack] = index;
	return index ? &recorder.sites[index] : NULL;
}

void site_fold(struct session_site *s)
{
	struct session_stack *stack = &recorder.stacks[s->stack];
	int64_t before = __atomic_fetch_add(&stack->live_bytes, site_pending(s), __ATOMIC_RELAXED);
	int64_t top = before + s->high;
	int64_t peak = __atomic_load_n(&stack->peak_bytes, __ATOMIC_RELAXED);

	while (top > peak && !__atomic_compare_exchange_n(&stack->peak_bytes, &peak, top, 1,
							  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	s->high_at = (int64_t)(s->alloc_bytes - s->free_bytes);
	s->high = 0;
	s->timed_events = 0;
	recorder_check_reader();
}

void site_halve_lifetimes(struct session_site *s)
{
	for (int i = 0; i < SESSION_LIFETIMES; i++)
		s->lifetimes[i] /= 2;
	s->lifetime_shift++;
}
