// SPDX-License-Identifier: MIT
/*
 * session_writer.h - writes a session file from one thread.
 *
 * For captures whose hot path is elsewhere (kagent), for importers and tests;
 * libleak.so writes the format itself. Everything is kept in private memory and
 * goes to the file on session_writer_sync() and session_writer_finish().
 *
 * Failures while adding (no memory, no index left) are sticky: the call returns
 * 0, which means "none" wherever an index is stored, and sync and finish return
 * the first error. So callers check once, at the end.
 *
 * Ticks are stored relative to header->clock.tick0, also those of the timeline and
 * header->end_tick (0: the session ended at clock.tick1).
 *
 * Not thread-safe. Strings are copied. Times in ticks, sizes in bytes.
 */
#ifndef COMMON_SESSION_WRITER_H
#define COMMON_SESSION_WRITER_H

#include "common/session_format.h"
#include "common/session_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session_writer;

enum session_writer_mode {
	/* The file appears under its name, whole, when the writer finishes. */
	SESSION_WRITE_WHOLE = 0,
	/* The file is there from the first sync on, and readable between syncs. */
	SESSION_WRITE_LIVE = 1,
};

/*
 * Starts a session in a new file; an existing one is replaced (at the end, or
 * at once when live). Ticks are nanoseconds of CLOCK_MONOTONIC until the caller
 * changes header->clock; start times are set to now. 0 or -errno.
 */
int session_writer_create(const char *path, enum session_kind kind, enum session_writer_mode mode,
			  struct session_writer **out);

/*
 * The header, to fill in identity, settings, clock and losses at any time. The
 * writer itself keeps magic, versions, extents, sections, state and file_used.
 */
struct session_header *session_writer_header(struct session_writer *w);

/* The offset of an equal string in SECT_STRINGS; NULL and "" give 0. */
uint32_t session_writer_string(struct session_writer *w, const char *s);

/* Appends an entry and returns its index; modules, tasks and caches count from 1, 0 is none. */
uint32_t session_writer_module(struct session_writer *w, const struct session_module *m);
uint32_t session_writer_thread(struct session_writer *w, const struct session_thread *t);
uint32_t session_writer_task(struct session_writer *w, const struct session_task *t);
uint32_t session_writer_cache(struct session_writer *w, const struct session_cache *c);

/*
 * The index of the stack with these frames, flags (STACK_*) and epoch; each
 * distinct one is stored once. Stack 1, the overflow stack, is there from the start.
 */
uint32_t session_writer_stack(struct session_writer *w, const uint64_t *frames, uint32_t depth,
			      uint32_t flags, uint32_t epoch);

/*
 * Appends a live allocation (times are cut to multiples of REC_TICKS) / a live kernel
 * object / the totals of a stack; returns its index.
 */
uint32_t session_writer_record(struct session_writer *w, const struct session_block *b);
uint32_t session_writer_krecord(struct session_writer *w, const struct session_krecord *r);
uint32_t session_writer_site(struct session_writer *w, const struct session_site *s);

/* Kernel symbols may come in any order; each address once. The index is only valid until sync. */
uint32_t session_writer_ksym(struct session_writer *w, const struct session_ksym *k);

/*
 * Entries that change later. The pointer is valid until the next call that adds
 * to the same section; NULL when there is no such entry. The whole section is
 * written again by the next sync.
 */
struct session_record *session_writer_edit_record(struct session_writer *w, uint32_t index);
struct session_krecord *session_writer_edit_krecord(struct session_writer *w, uint32_t index);
struct session_site *session_writer_edit_site(struct session_writer *w, uint32_t index);
struct session_cache *session_writer_edit_cache(struct session_writer *w, uint32_t index);
struct session_stack *session_writer_edit_stack(struct session_writer *w, uint32_t index);
struct session_task *session_writer_edit_task(struct session_writer *w, uint32_t index);
struct session_module *session_writer_edit_module(struct session_writer *w, uint32_t index);

/* Drops all live allocations / objects, to be given anew (as they are at another time). */
void session_writer_clear_records(struct session_writer *w);
void session_writer_clear_krecords(struct session_writer *w);

/* Opens a point of time of the timeline (ticks since clock.tick0); the index for session_writer_point. */
uint32_t session_writer_time(struct session_writer *w, uint64_t tick);
void session_writer_point(struct session_writer *w, uint32_t time, uint32_t stack, uint64_t count,
			  uint64_t bytes);

/*
 * Appends to the trace, a ring that begins with the first one; seq is the writer's.
 * Live mode: session_writer_sync_trace() brings the file up to date with these alone.
 */
void session_writer_trace(struct session_writer *w, const struct session_trace_event *e);
int session_writer_sync_trace(struct session_writer *w);

/* Adds to a loss counter. */
void session_writer_loss(struct session_writer *w, enum session_loss cause, uint64_t count);

/* How many entries a section has. */
uint64_t session_writer_count(const struct session_writer *w, enum session_section_id id);

/* Live mode: brings the file up to date. 0 or -errno. */
int session_writer_sync(struct session_writer *w);

/*
 * Writes everything, marks the session ended and gives the file its name.
 * Frees w in any case. 0 or -errno, and then a whole-mode file does not appear.
 */
int session_writer_finish(struct session_writer *w, enum session_end reason);

/* Frees w; removes a whole-mode file, leaves a live one as it was last synced. NULL is allowed. */
void session_writer_abort(struct session_writer *w);

#endif
