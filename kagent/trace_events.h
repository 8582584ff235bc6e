// SPDX-License-Identifier: MIT
/*
 * trace_events.h - uprobes as events of tracefs, which, unlike all others, a process's
 * children inherit. Sources: Documentation/trace/uprobetracer.rst, perf_event_open(2);
 * several places in one event: Linux 5.5.
 *
 * The kernel keeps the definitions of events for whoever asks: they are removed when
 * they are no longer in use, and those of a kagent that was killed by the next one.
 * One thread at a time.
 */
#ifndef KAGENT_TRACE_EVENTS_H
#define KAGENT_TRACE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct trace_events;

/* Nothing is mounted: tracefs is seen by this process alone. 0 or -errno. */
int trace_events_open(struct trace_events **out);

/*
 * One event for these offsets in the file at path; back: when the functions return.
 * Its number or -errno. The event is gone with trace_events_free() once nothing uses it.
 */
int trace_events_add(struct trace_events *t, const char *path, bool back,
		     const uint64_t *offsets, size_t count);

/* NULL is allowed. */
void trace_events_free(struct trace_events *t);

/*
 * The event in one thread, and, if so wished, in all that it starts from now on, of this
 * process and of others: a descriptor of perf_event_open(2), or -errno. A BPF program
 * belongs on one that is not inherited: the end of each heir takes it away from all
 * (kernel/events/core.c, perf_event_free_bpf_prog(); Linux 6.10 to 6.18 at least).
 */
int trace_event_open(int number, pid_t tid, bool inherited);

#endif
