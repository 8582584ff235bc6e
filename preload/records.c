// SPDX-License-Identifier: MIT
/* records.c - see records.h. */
#include "records.h"

/*
 * A shared batch: BATCH records linked like a thread's list; the first one's
 * size_stack holds the first record of the next batch.
 */

static void set_next(struct session_record *r, uint32_t next)
{
	r->time_flags = (uint64_t)next << REC_TIME_SHIFT | (r->time_flags & REC_SEQ_MASK);
}

static uint32_t next_of(const struct session_record *r)
{
	return (uint32_t)(r->time_flags >> REC_TIME_SHIFT);
}

/* Links the fresh places [from, from + n) so that the lowest is taken first. */
static void link_fresh(uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		set_next(&recorder.records[from + i], i + 1 < n ? from + i + 1 : 0);
}

static uint32_t fresh_batch(void)
{
	struct session_section *sec = &recorder.hdr->section[SECT_RECORDS];
	uint64_t from = sec->used ? sec->used : 1;

	if (from + RECORD_BATCH > UINT32_MAX ||
	    shm_grow(&recorder.shm, SECT_RECORDS,
		     (from + RECORD_BATCH) * sizeof(struct session_record)))
		return 0;
	recorder.records = (void *)recorder.shm.sect[SECT_RECORDS].base;
	link_fresh((uint32_t)from, RECORD_BATCH);
	__atomic_store_n(&sec->used, from + RECORD_BATCH, __ATOMIC_RELEASE);
	return (uint32_t)from;
}

bool records_refill(struct thread_state *t)
{
	uint32_t first;

	lock_acquire(&recorder.grow);
	first = recorder.free_batches;
	if (first)
		recorder.free_batches = (uint32_t)recorder.records[first].size_stack;
	else
		first = fresh_batch();
	lock_release(&recorder.grow);
	t->free_head = first;
	t->free_count = first ? RECORD_BATCH : 0;
	return first != 0;
}

static void share_batch(uint32_t first)
{
	recorder.records[first].size_stack = recorder.free_batches;
	recorder.free_batches = first;
}

void records_give_batch(struct thread_state *t)
{
	uint32_t first = t->free_head, last = first;

	for (uint32_t i = 1; i < RECORD_BATCH; i++)
		last = next_of(&recorder.records[last]);
	t->free_head = next_of(&recorder.records[last]);
	t->free_count -= RECORD_BATCH;
	set_next(&recorder.records[last], 0);
	lock_acquire(&recorder.grow);
	share_batch(first);
	lock_release(&recorder.grow);
}

void records_relink(uint64_t used)
{
	uint32_t head = 0, count = 0;

	recorder.free_batches = 0;
	for (uint64_t i = used; i-- > 1;) {
		struct session_record *r = &recorder.records[i];

		if (r->addr_thread)
			continue;
		set_next(r, head);
		head = (uint32_t)i;
		if (++count == RECORD_BATCH) {
			share_batch(head);
			head = count = 0;
		}
	}
	/* An incomplete batch is left alone: at most 63 places. */
}
