// SPDX-License-Identifier: MIT
/* records.c - see records.h. */
#include "records.h"

#include "clock.h"

/*
 * A shared batch: records linked like a thread's list, but that the first one's
 * time_stack has two indices: the next record, and the first one of the next batch.
 */
#define NEXT_BATCH_SHIFT 32

static void set_next(struct session_record *r, uint32_t next)
{
	r->time_stack = record_offset(next);
}

static uint32_t next_of(const struct session_record *r)
{
	return record_index(r->time_stack);
}

/* Links the fresh places [from, from + n) so that the lowest is taken first. */
static void link_fresh(uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		set_next(&recorder.records[from + i], i + 1 < n ? from + i + 1 : 0);
}

int records_grow(uint64_t used)
{
	int ret = shm_grow(&recorder.shm, SECT_RECORDS, used * sizeof(*recorder.records));

	if (!ret)
		ret = shm_grow(&recorder.shm, SECT_RECORD_THREADS,
			       used * sizeof(*recorder.record_threads));
	recorder.records = (void *)recorder.shm.sect[SECT_RECORDS].base;
	recorder.record_threads = (void *)recorder.shm.sect[SECT_RECORD_THREADS].base;
	return ret;
}

/* @n fresh places. Under the growth lock. */
static uint32_t fresh_batch(uint32_t n)
{
	struct session_section *sec = &recorder.hdr->section[SECT_RECORDS];
	uint64_t from = sec->used ? sec->used : 1;

	if (from + n > UINT32_MAX || records_grow(from + n))
		return 0;
	link_fresh((uint32_t)from, n);
	__atomic_store_n(&recorder.hdr->section[SECT_RECORD_THREADS].used, from + n,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&sec->used, from + n, __ATOMIC_RELEASE);
	return (uint32_t)from;
}

/* The batch given back last. Under the growth lock. */
static uint32_t shared_batch(void)
{
	uint32_t first = recorder.free_batches;
	struct session_record *r = &recorder.records[first];

	recorder.free_batches = (uint32_t)(r->time_stack >> NEXT_BATCH_SHIFT);
	set_next(r, (uint32_t)r->time_stack);
	return first;
}

/* The list from @first on becomes a batch. Under the growth lock. */
static void share_batch(uint32_t first)
{
	struct session_record *r = &recorder.records[first];

	r->time_stack = (uint64_t)recorder.free_batches << NEXT_BATCH_SHIFT | next_of(r);
	recorder.free_batches = first;
}

bool records_refill(struct thread_state *t)
{
	uint32_t n = t->refilled ? RECORD_BATCH : RECORD_BATCH_FIRST, first;

	lock_acquire(&recorder.grow);
	first = recorder.free_batches ? shared_batch() : fresh_batch(n);
	lock_release(&recorder.grow);
	t->free_at = record_offset(first);
	t->free_count = 0;
	t->refilled = true;
	return first != 0;
}

void records_give(struct thread_state *t)
{
	lock_acquire(&recorder.grow);
	share_batch(record_index(t->free_at));
	lock_release(&recorder.grow);
	t->free_at = 0;
	t->free_count = 0;
}

void records_relink(uint64_t used)
{
	uint32_t head = 0, count = 0;

	recorder.free_batches = 0;
	for (uint64_t i = used; i-- > 1;) {
		struct session_record *r = &recorder.records[i];

		if (session_record_in_use(r) || session_record_kind(r) == REC_EXTENSION)
			continue;
		set_next(r, head);
		head = (uint32_t)i;
		if (++count == RECORD_BATCH) {
			share_batch(head);
			head = count = 0;
		}
	}
	if (head)
		share_batch(head);
}

/* ---- any block --------------------------------------------------------------- */

static void put_extension(struct thread_state *t, uint32_t index)
{
	record_clear(&recorder.records[index]);
	record_put(t, index);
}

/* Visible to readers with the last store. @extension: for what does not fit, else 0. */
static void publish(uint32_t index, const struct session_block *b, uint32_t extension)
{
	struct session_record *r = &recorder.records[index], *e = &recorder.records[extension];
	struct session_record_pair p = session_record_pack(b, r->addr_size + 1, extension);

	if (extension) {
		__atomic_store_n(&e->time_stack, p.extension.time_stack, __ATOMIC_RELAXED);
		__atomic_store_n(&e->addr_size, p.extension.addr_size, __ATOMIC_RELAXED);
	}
	recorder.record_threads[index] = (uint16_t)b->thread;
	__atomic_store_n(&r->time_stack, p.r.time_stack, __ATOMIC_RELEASE);
	__atomic_store_n(&r->addr_size, p.r.addr_size, __ATOMIC_RELEASE);
}

uint32_t record_new(struct thread_state *t, const struct session_block *b)
{
	bool extended = session_record_needs_extension(b);
	uint32_t index = record_take(t), extension = index && extended ? record_take(t) : 0;

	if (index && extended && !extension) {
		record_put(t, index);
		index = 0;
	}
	if (index)
		publish(index, b, extension);
	return index;
}

bool record_change(struct thread_state *t, uint32_t index, const struct session_block *b)
{
	struct session_record *r = &recorder.records[index];
	uint32_t had = (uint32_t)session_record_extension(r), extension = 0;

	if (session_record_needs_extension(b)) {
		extension = had ? had : record_take(t);
		if (!extension)
			return false;
	}
	record_clear(r);
	if (had && !extension)
		put_extension(t, had);
	publish(index, b, extension);
	return true;
}

struct session_block record_get(uint32_t index)
{
	const struct session_record *r = &recorder.records[index];
	uint64_t extension = session_record_extension(r);
	struct session_block b =
		session_record_unpack(r, extension ? &recorder.records[extension] : NULL,
				      clock_tick() - recorder.tick0 + REC_TICKS);

	b.thread = recorder.record_threads[index];
	return b;
}

void record_drop(struct thread_state *t, uint32_t index)
{
	struct session_record *r = &recorder.records[index];
	uint32_t extension = (uint32_t)session_record_extension(r);

	record_clear(r);
	if (extension)
		put_extension(t, extension);
	record_put(t, index);
}
