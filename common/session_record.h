// SPDX-License-Identifier: MIT
/*
 * session_record.h - struct session_record, packed and unpacked.
 *
 * Only arithmetic, for recorder, reader and writer alike.
 */
#ifndef COMMON_SESSION_RECORD_H
#define COMMON_SESSION_RECORD_H

#include "session_format.h"

#include <stdbool.h>

/* A live allocation, unpacked. */
struct session_block {
	uint64_t addr;
	uint64_t size;		/* bytes */
	uint64_t tick;		/* since clock.tick0, a multiple of REC_TICKS */
	uint32_t stack;		/* index in SECT_STACKS */
	uint32_t thread;	/* index in SECT_THREADS, REC_THREAD_OTHER: unknown */
	uint8_t kind;		/* enum session_rec_kind */
	uint8_t mean;		/* index into header.sample_mean */
	bool inherited;
	bool timed;		/* tick is exact; else perhaps some milliseconds too early */
};

/* The two records of a block: the second is used if the first has REC_EXTENDED set. */
struct session_record_pair {
	struct session_record r, extension;
};

static inline enum session_rec_kind session_record_kind(const struct session_record *r)
{
	return (enum session_rec_kind)((r->addr_size & REC_KIND_MASK) >> REC_KIND_SHIFT);
}

static inline uint64_t session_record_addr(const struct session_record *r)
{
	return r->addr_size >> REC_ADDR_SHIFT << REC_ALIGN_SHIFT;
}

/* Is this a block's (first) record? Neither a free place nor an extension. */
static inline bool session_record_in_use(const struct session_record *r)
{
	return r->addr_size >> REC_ADDR_SHIFT && session_record_kind(r) != REC_EXTENSION;
}

/* The index of the extension of @r, 0: it has none. */
static inline uint64_t session_record_extension(const struct session_record *r)
{
	return r->addr_size & REC_EXTENDED ? r->time_stack : 0;
}

static inline uint64_t session_record_time(uint64_t tick)
{
	return tick >> REC_TICK_SHIFT << REC_TIME_SHIFT;
}

/* The tick that a record's time means: the last one before @now that has it. */
static inline uint64_t session_record_tick(uint64_t time_stack, uint64_t now)
{
	uint64_t tick = time_stack >> REC_TIME_SHIFT << REC_TICK_SHIFT;

	return now > tick ? tick + (now - tick) / REC_TIME_SPAN * REC_TIME_SPAN : tick;
}

/*
 * The block of @r, which is in use; @ext is its extension, or NULL. The thread is
 * not in it. @now: any tick after the allocation, by less than REC_TIME_SPAN.
 */
static inline struct session_block session_record_unpack(const struct session_record *r,
							 const struct session_record *ext,
							 uint64_t now)
{
	uint64_t time_stack = ext ? ext->time_stack : r->time_stack;
	uint64_t size = ext ? (ext->addr_size & ~REC_MEAN_MASK) >> REC_SIZE_SHIFT :
			      r->addr_size >> REC_SIZE_SHIFT & REC_SIZE_MAX;
	struct session_block b = {
		.addr = session_record_addr(r),
		.tick = session_record_tick(time_stack, now),
		.stack = (uint32_t)(time_stack & REC_STACK_MASK),
		.thread = (uint32_t)REC_THREAD_OTHER,
		.kind = (uint8_t)session_record_kind(r),
		.mean = ext ? (uint8_t)(ext->addr_size >> REC_MEAN_SHIFT) : 0,
		.inherited = r->addr_size & REC_INHERITED,
		.timed = time_stack & REC_TIMED,
	};

	b.size = b.kind == REC_MMAP ? size * SESSION_PAGE : size;
	return b;
}

static inline uint64_t session_record_units(const struct session_block *b)
{
	return b->kind == REC_MMAP ? b->size / SESSION_PAGE : b->size;
}

/* Does @b take two records? */
static inline bool session_record_needs_extension(const struct session_block *b)
{
	return session_record_units(b) > REC_SIZE_MAX || b->mean;
}

/* Packs @b; @seq and, if it is needed (REC_EXTENDED is set then), @extension as they are to be. */
static inline struct session_record_pair session_record_pack(const struct session_block *b,
							     uint64_t seq, uint32_t extension)
{
	uint64_t size = session_record_units(b);
	uint64_t time_stack = session_record_time(b->tick) | (b->timed ? REC_TIMED : 0) | b->stack;
	struct session_record_pair p = {
		.r.addr_size = b->addr >> REC_ALIGN_SHIFT << REC_ADDR_SHIFT |
			       (uint64_t)b->kind << REC_KIND_SHIFT |
			       (b->inherited ? REC_INHERITED : 0) | (seq & REC_SEQ_MASK),
		.r.time_stack = time_stack,
	};

	if (!session_record_needs_extension(b)) {
		p.r.addr_size |= size << REC_SIZE_SHIFT;
		return p;
	}
	p.r.addr_size |= REC_EXTENDED;
	p.r.time_stack = extension;
	p.extension.addr_size = (uint64_t)b->mean << REC_MEAN_SHIFT | size << REC_SIZE_SHIFT |
				(uint64_t)REC_EXTENSION << REC_KIND_SHIFT;
	p.extension.time_stack = time_stack;
	return p;
}

#endif
