// SPDX-License-Identifier: MIT
/* processes.c - whose memory it is: the processes of sessions and of kernel tasks. */
#include "report/report_private.h"

#include <stdlib.h>
#include <string.h>

/* Field 22 of /proc/PID/stat counts in 1/100 s on every Linux of today (USER_HZ). */
#define NS_PER_START_TICK 10000000u

static const char *keep(struct report *r, const struct session *s, uint32_t offset)
{
	return strpool_add(r->strings, session_string(s, offset));
}

/* pid, boot and host; with_start: the start, too. */
struct process_key {
	const struct report_process *like;
	uint64_t start_ticks;
	bool with_start;
};

static bool process_equal(const void *owner, uint32_t index, const void *key)
{
	const struct report_process *p = &((const struct report *)owner)->processes[index];
	const struct process_key *k = key;

	return p->pid == k->like->pid && p->boot_id == k->like->boot_id &&
	       p->host == k->like->host &&
	       (!k->with_start || p->start_ticks == k->start_ticks);
}

static uint64_t key_hash(const struct process_key *k)
{
	uint64_t hash = hash_mix((uintptr_t)k->like->boot_id ^
				 hash_mix((uintptr_t)k->like->host ^ k->like->pid));

	return k->with_start ? hash_mix(hash ^ k->start_ticks) : hash;
}

static uint32_t find_process(const struct report *r, const struct process_key *k)
{
	return hash_index_find(&r->process_index, key_hash(k), process_equal, r, k);
}

/* Of several processes with one key the first is found. */
static int add_key(struct report *r, const struct process_key *k, uint32_t index)
{
	if (find_process(r, k) != HASH_INDEX_NONE)
		return 0;
	return hash_index_add(&r->process_index, key_hash(k), index);
}

/* The entry that the process was first known by knows its last program. */
static void add_image(struct report *r, uint32_t index)
{
	const struct report_process *p = &r->processes[index];
	uint32_t first = find_process(r, &(struct process_key){ p, p->start_ticks, true });
	uint32_t *last = &r->processes[first == HASH_INDEX_NONE ? index : first].last_image;

	if (p->begin_ns > r->processes[*last].begin_ns)
		*last = index;
}

static uint32_t append_process(struct report *r, const struct report_process *p)
{
	struct report_process *list = array_grow(r->processes, r->process_count,
						 &r->process_room, sizeof(*list));

	if (!list || r->process_count >= NO_SITE)
		return NO_SITE;
	r->processes = list;
	list[r->process_count] = *p;
	list[r->process_count].last_image = (uint32_t)r->process_count;
	if (add_key(r, &(struct process_key){ p, 0, false }, (uint32_t)r->process_count) ||
	    add_key(r, &(struct process_key){ p, p->start_ticks, true },
		    (uint32_t)r->process_count))
		return NO_SITE;
	add_image(r, (uint32_t)r->process_count);
	return (uint32_t)r->process_count++;
}

static bool same_image(const struct report_process *a, const struct report_process *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks && a->boot_id == b->boot_id &&
	       a->host == b->host && a->exe == b->exe;
}

/* A process that execs has one entry per program. */
uint32_t report_session_process(struct report *r, const struct session *s)
{
	const struct session_header *h = session_header(s);
	struct report_process p = {
		.host = keep(r, s, h->host), .boot_id = keep(r, s, h->boot_id),
		.exe = keep(r, s, h->exe), .cmdline = keep(r, s, h->cmdline),
		.comm = keep(r, s, h->comm), .cgroup = keep(r, s, h->cgroup),
		.pid = h->pid, .ppid = h->ppid, .parent_pid = h->parent_pid,
		.start_ticks = h->start_ticks, .parent_start_ticks = h->parent_start_ticks,
		.has_session = h->kind == SESSION_PROCESS, .begin_ns = h->clock.realtime_ns0,
	};

	if (!p.host || !p.boot_id || !p.exe || !p.cmdline || !p.comm || !p.cgroup)
		return NO_SITE;
	for (size_t i = r->process_count; i-- > 0;)
		if (same_image(&r->processes[i], &p))
			return (uint32_t)i;
	return append_process(r, &p);
}

/* Two clocks, one in ticks: starts may differ by this many ticks. */
#define START_SLACK 2u

static uint32_t find_task(const struct report *r, const struct report_process *p)
{
	struct process_key key = { p, 0, false };
	uint32_t found;

	if (!p->start_ticks)
		return find_process(r, &key);
	key.with_start = true;
	for (uint64_t slack = 0; slack <= 2 * START_SLACK; slack++) {
		key.start_ticks = p->start_ticks + slack - START_SLACK;
		found = find_process(r, &key);
		if (found != HASH_INDEX_NONE)
			return found;
	}
	key.start_ticks = 0;
	return find_process(r, &key);
}

uint32_t report_task_process(struct report *r, const struct session *s,
			     const struct session_task *t)
{
	const struct session_header *h = session_header(s);
	struct report_process p = {
		.host = keep(r, s, h->host), .boot_id = keep(r, s, h->boot_id),
		.exe = keep(r, s, 0), .cmdline = keep(r, s, 0), .cgroup = keep(r, s, 0),
		.comm = strpool_add_n(r->strings, t->comm, sizeof(t->comm)),
		.pid = t->pid, .start_ticks = t->start_ns / NS_PER_START_TICK,
	};
	uint32_t found;

	if (!p.host || !p.boot_id || !p.exe || !p.comm)
		return NO_SITE;
	found = find_task(r, &p);
	return found != HASH_INDEX_NONE ? r->processes[found].last_image : append_process(r, &p);
}

void report_task_seen(struct report *r, uint32_t process, const struct session_task *t,
		      uint64_t ns)
{
	struct report_process *p = &r->processes[process];
	bool is_main = t->tid == t->pid;
	const char *comm;

	if (p->has_session || p->pid != t->pid || is_main < p->comm_main ||
	    (is_main == p->comm_main && ns < p->comm_ns))
		return;
	comm = strpool_add_n(r->strings, t->comm, strnlen(t->comm, sizeof(t->comm)));
	if (!comm)
		return;
	p->comm = comm;
	p->comm_ns = ns;
	p->comm_main = is_main;
}

static int compare_identity(const void *a, const void *b)
{
	const struct report_process *x = *(const struct report_process *const *)a;
	const struct report_process *y = *(const struct report_process *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->start_ticks != y->start_ticks)
		return x->start_ticks < y->start_ticks ? -1 : 1;
	if (x->boot_id != y->boot_id)
		return x->boot_id < y->boot_id ? -1 : 1;
	return (x->host > y->host) - (x->host < y->host);
}

/* Sorted by identity, so that thousands of forked children find their parents quickly. */
void report_link_parents(struct report *r)
{
	struct report_process **sorted = malloc((r->process_count + 1) * sizeof(*sorted));
	size_t count = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < r->process_count; i++)
		if (r->processes[i].has_session)
			sorted[count++] = &r->processes[i];
	qsort(sorted, count, sizeof(*sorted), compare_identity);
	for (size_t i = 0; i < r->process_count; i++) {
		struct report_process *p = &r->processes[i];
		struct report_process parent = {
			.pid = p->parent_pid, .start_ticks = p->parent_start_ticks,
			.boot_id = p->boot_id, .host = p->host,
		}, *key = &parent;

		p->parent_present = p->parent_pid &&
			(r->options.inherited_apart ||
			 bsearch(&key, sorted, count, sizeof(*sorted), compare_identity));
	}
	free(sorted);
}
