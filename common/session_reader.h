// SPDX-License-Identifier: MIT
/*
 * session_reader.h - reads session files: finished, growing, torn or hostile.
 *
 * Everything is checked when it is read: an index that points nowhere yields
 * NULL or "", never memory outside the session. The file is read with pread
 * into private memory and never mapped: a file that shrinks under a mapping
 * raises SIGBUS, and one that is rewritten could change between a check and the
 * use of what was checked. Strings, stacks and modules are kept in memory, records
 * and sites (there may be gigabytes) pass through in chunks.
 *
 * A struct session belongs to one thread at a time. Pointers that it hands out
 * are valid until the next session_refresh() or session_close().
 */
#ifndef COMMON_SESSION_READER_H
#define COMMON_SESSION_READER_H

#include "common/session_format.h"
#include "common/session_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

/*
 * Opens a session. 0, or
 *	-EBADMSG	no session file, or its header or extent table contradicts itself
 *	-ENODATA	shorter than a header: truncated, or nothing written yet
 *	-EAGAIN		its writer is still starting, or was killed while starting
 *	-EPROTONOSUPPORT another major version, or a feature that must be understood
 *	-EXDEV		foreign byte order or word size
 *	-EISDIR, -ENOENT, -EACCES, -ENOMEM, ... of the system
 * A file that was cut short or damaged further on opens, and session_damage() says so.
 */
int session_open(const char *path, struct session **out);

/* The same for an open file; the descriptor is duplicated. `name` is for messages. */
int session_open_fd(int fd, const char *name, struct session **out);

void session_close(struct session *s);	/* NULL is allowed */

/* What an error of session_open() means, for a message. A static string or strerror's. */
const char *session_strerror(int err);

/* Reads what the writer has added since. 0 or an error as above, and then s is as before. */
int session_refresh(struct session *s);

/* The header as of the last refresh; a private copy, zero where the file's is shorter. */
const struct session_header *session_header(const struct session *s);

/* The name it was opened by. */
const char *session_name(const struct session *s);

struct session_damage {
	bool truncated;		/* the file ends before what it says it holds */
	bool corrupt;		/* sections that contradict themselves were left out or cut */
	uint64_t bad_entries;	/* records, sites or points that refer to nothing: skipped */
	uint64_t torn_entries;	/* records that changed at each try to read them: skipped */
};

/* What is known to be wrong so far; the entry counts rise as sections are scanned. */
const struct session_damage *session_damage(const struct session *s);

/* ---- tables ---- */

/* Longer strings are cut. */
#define SESSION_STRING_MAX 65536u

/* "" for offset 0 and for offsets that are no string. */
const char *session_string(const struct session *s, uint32_t offset);

/* Entries of a section as of the last refresh, index 0 included; 0 for unknown sections. */
uint64_t session_count(const struct session *s, enum session_section_id id);

/* An entry, or NULL when there is none with that index. */
const struct session_module *session_module(const struct session *s, uint64_t index);
const struct session_stack *session_stack(const struct session *s, uint64_t index);
const struct session_thread *session_thread(const struct session *s, uint64_t index);
const struct session_cache *session_cache(const struct session *s, uint64_t index);
const struct session_task *session_task(const struct session *s, uint64_t index);

/* The tick of a point of the timeline, since clock.tick0; false when there is none. */
bool session_time(const struct session *s, uint64_t index, uint64_t *tick);

/* More frames than this are left out; recorders keep 256 at most. */
#define SESSION_DEPTH_MAX 1024u

/* The frames of a stack, innermost first; depth 0 (and NULL) when it has none. */
const uint64_t *session_frames(const struct session *s, const struct session_stack *stack,
			       uint32_t *depth);

/* The module that held addr in that epoch, or NULL. */
const struct session_module *session_find_module(const struct session *s, uint64_t addr,
						 uint32_t epoch);

/* The kernel symbol recorded for exactly this address, or NULL. */
const struct session_ksym *session_find_ksym(const struct session *s, uint64_t addr);

/* ---- scans ---- */

/* Scanning stops when a callback returns non-zero, and returns that. */
typedef int session_block_fn(void *arg, const struct session_block *b);
typedef int session_krecord_fn(void *arg, const struct session_krecord *r);
typedef int session_site_fn(void *arg, const struct session_site *site);
typedef int session_point_fn(void *arg, const struct session_point *p);

/*
 * Calls fn for each entry in use. In a live session a block appears as it was at
 * one moment; blocks allocated since the last refresh may or may not appear.
 * 0, what fn returned, -EIO or -ENOMEM.
 */
int session_each_block(struct session *s, session_block_fn *fn, void *arg);
int session_each_krecord(struct session *s, session_krecord_fn *fn, void *arg);
int session_each_site(struct session *s, session_site_fn *fn, void *arg);
int session_each_point(struct session *s, session_point_fn *fn, void *arg);

/*
 * Reads up to `max` trace events from number *next on and advances it. Events
 * that were overwritten before they could be read are added to *lost. Reads the
 * file anew, without session_refresh(). The number of events or -errno.
 */
int session_read_trace(struct session *s, uint64_t *next, struct session_trace_event *events,
		       size_t max, uint64_t *lost);

/* ---- time ---- */

/* CLOCK_MONOTONIC of the recording host, ns, at a tick since clock.tick0; saturates. */
uint64_t session_rel_ns(const struct session *s, uint64_t rel_tick);

/* How long `ticks` ticks are, ns; saturates. */
uint64_t session_ticks_to_ns(const struct session *s, uint64_t ticks);

/* The other way around: ticks since clock.tick0 at a moment of CLOCK_MONOTONIC; 0 before. */
uint64_t session_ns_to_tick(const struct session *s, uint64_t ns);

/* Was the session recorded on this host, since it was booted last? */
bool session_is_of_this_boot(const struct session *s);

/* Is the session still being written by a living process of this host? */
bool session_is_running(const struct session *s);

/*
 * The moment the session shows, CLOCK_MONOTONIC ns: now when it is running, its
 * end when it was closed, else the writer's last sign of life in the header
 * (a record may be younger).
 */
uint64_t session_last_ns(const struct session *s);

#endif
