// SPDX-License-Identifier: MIT
/* heap_probes.c - see heap_probes.h. */
#define _GNU_SOURCE
#include "kagent/heap_probes.h"

#include "uprobe.skel.h"
#include "common/array.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct heap_probes {
	struct heap_probes_facts f;
	struct bpf_link **links;	/* PROBES_SINGLE */
	size_t link_count, link_room;
	int *fds;			/* of links and of events */
	size_t fd_count, fd_room;
	size_t count;
};

int heap_probes_new(const struct heap_probes_facts *facts, struct heap_probes **out)
{
	struct heap_probes *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->f = *facts;
	*out = p;
	return 0;
}

size_t heap_probes_count(const struct heap_probes *p)
{
	return p->count;
}

void heap_probes_free(struct heap_probes *p)
{
	if (!p)
		return;
	/* links before what they are of */
	for (size_t i = p->fd_count; i-- > 0;)
		close(p->fds[i]);
	for (size_t i = 0; i < p->link_count; i++)
		bpf_link__destroy(p->links[i]);
	free(p->fds);
	free(p->links);
	free(p);
}

static int keep_fd(struct heap_probes *p, int fd)
{
	int *bigger = fd < 0 ? NULL : array_grow(p->fds, p->fd_count, &p->fd_room, sizeof(*bigger));

	if (!bigger) {
		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	p->fds = bigger;
	p->fds[p->fd_count++] = fd;
	return 0;
}

/* ---- many at once ------------------------------------------------------------------ */

static bool frees_block(const struct allocator_probe *at)
{
	return at->function == KU_FREE || at->function == KU_DELETE;
}

static int attach_many(struct heap_probes *p, const struct allocator *a, pid_t pid, bool frees)
{
	const struct uprobe *k = p->f.skel;
	const struct bpf_program *prog = frees ? k->progs.on_free : k->progs.on_session;
	uint32_t type = frees ? p->f.types.plain : p->f.types.session, count = 0;
	uint64_t offsets[ALLOCATOR_PROBES], cookies[ALLOCATOR_PROBES];

	for (size_t i = 0; i < a->count; i++) {
		if (frees_block(&a->probe[i]) != frees)
			continue;
		offsets[count] = a->probe[i].offset;
		cookies[count++] = a->probe[i].function;
	}
	if (!count)
		return 0;
	return keep_fd(p, uprobe_link(bpf_program__fd(prog), type, a->path, pid, offsets, cookies,
				      count));
}

static int attach_session(struct heap_probes *p, const struct allocator *a, pid_t pid)
{
	int err = attach_many(p, a, pid, true);

	return err ? err : attach_many(p, a, pid, false);
}

/* ---- one by one -------------------------------------------------------------------- */

static int attach_one(struct heap_probes *p, const struct allocator *a, pid_t pid,
		      const struct allocator_probe *at, const struct bpf_program *prog, bool back)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = back, .bpf_cookie = at->function);
	struct bpf_link **bigger = array_grow(p->links, p->link_count, &p->link_room,
					      sizeof(*bigger));
	struct bpf_link *link;

	if (!bigger)
		return -ENOMEM;
	p->links = bigger;
	link = bpf_program__attach_uprobe_opts(prog, pid, a->path, at->offset, &opts);
	if (!link)
		return -errno;
	p->links[p->link_count++] = link;
	return 0;
}

/* Does its return matter? */
static bool returns(const struct allocator_probe *at)
{
	return at->function < KU_FREE;
}

/* The return first: a call that is seen is to be seen returning. */
static int attach_each(struct heap_probes *p, const struct allocator *a, pid_t pid)
{
	const struct uprobe *k = p->f.skel;
	int err = 0;

	for (size_t i = 0; i < a->count && !err; i++) {
		if (returns(&a->probe[i]))
			err = attach_one(p, a, pid, &a->probe[i], k->progs.on_leave, true);
		if (!err)
			err = attach_one(p, a, pid, &a->probe[i], k->progs.on_enter, false);
	}
	return err;
}

/* ---- inherited --------------------------------------------------------------------- */

/* In a thread that has gone there is nothing to be seen. */
static int open_in_thread(struct heap_probes *p, int event, pid_t tid)
{
	int err = keep_fd(p, trace_event_open(event, tid, true));

	return err == -ESRCH ? 0 : err;
}

/* In the threads of a process with tids above *seen, which becomes the highest of all. */
static int open_in_threads(struct heap_probes *p, int event, pid_t pid, pid_t *seen)
{
	pid_t highest = *seen;
	const struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && !err && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > *seen)
			err = open_in_thread(p, event, tid);
		highest = tid > highest ? tid : highest;
	}
	if (dir)
		closedir(dir);
	*seen = highest;
	return err;
}

/* Threads that appear meanwhile were begun by one that had it, or are seen the next time. */
static int open_in_process(struct heap_probes *p, int event, pid_t pid)
{
	pid_t seen = 0, before;
	int err;

	do {
		before = seen;
		err = open_in_threads(p, event, pid, &seen);
	} while (!err && seen > before);
	return err;
}

/* The program sees the event wherever that is open, not only where it is put on it. */
static int put_program(struct heap_probes *p, int event, const struct bpf_program *prog,
		       uint64_t cookie, const pid_t *pids, size_t count)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);
	int err = -ESRCH;

	for (size_t i = 0; i < count && err == -ESRCH; i++)
		err = keep_fd(p, trace_event_open(event, pids[i], false));
	return err ? err : keep_fd(p, bpf_link_create(bpf_program__fd(prog), p->fds[p->fd_count - 1],
						      BPF_PERF_EVENT, &opts));
}

static int attach_event(struct heap_probes *p, int event, const struct bpf_program *prog,
			uint64_t cookie, const pid_t *pids, size_t count)
{
	int err = event < 0 ? event : put_program(p, event, prog, cookie, pids, count);

	for (size_t i = 0; i < count && !err; i++)
		err = open_in_process(p, event, pids[i]);
	return err;
}

static int returns_of(struct heap_probes *p, const struct allocator *a, const pid_t *pids,
		      size_t count)
{
	uint64_t offsets[ALLOCATOR_PROBES];
	size_t n = 0;
	int event;

	for (size_t i = 0; i < a->count; i++)
		if (returns(&a->probe[i]))
			offsets[n++] = a->probe[i].offset;
	if (!n)
		return 0;
	event = trace_events_add(p->f.events, a->path, true, offsets, n);
	return attach_event(p, event, p->f.skel->progs.on_leave, 0, pids, count);
}

/* Can a table say that this function begins where `at` does? It does then. */
static bool enter_place(const struct heap_probes *p, uint32_t table,
			const struct allocator_probe *at)
{
	int fd = bpf_map__fd(p->f.skel->maps.functions);
	uint32_t key = table * KU_PAGE + (uint32_t)(at->offset % KU_PAGE), is = 0;

	if (bpf_map_lookup_elem(fd, &key, &is) || (is && is != at->function))
		return false;
	return is || !bpf_map_update_elem(fd, &key, &at->function, BPF_ANY);
}

/* Those that a table has room for, of the ones that are left; *left of them remain. */
static int entries_of(struct heap_probes *p, const struct allocator *a, uint32_t table,
		      bool entered[ALLOCATOR_PROBES], size_t *left, const pid_t *pids,
		      size_t count)
{
	uint64_t offsets[ALLOCATOR_PROBES];
	size_t n = 0;
	int event;

	for (size_t i = 0; i < a->count; i++) {
		if (entered[i] || !enter_place(p, table, &a->probe[i]))
			continue;
		entered[i] = true;
		offsets[n++] = a->probe[i].offset;
	}
	*left -= n;
	if (!n)
		return 0;
	event = trace_events_add(p->f.events, a->path, false, offsets, n);
	return attach_event(p, event, p->f.skel->progs.on_enter, table, pids, count);
}

static int attach_inherited(struct heap_probes *p, const struct allocator *a, const pid_t *pids,
			    size_t count)
{
	bool entered[ALLOCATOR_PROBES] = { false };
	size_t left = a->count;
	int err = returns_of(p, a, pids, count);

	for (uint32_t table = 0; table < KU_TABLES && left && !err; table++)
		err = entries_of(p, a, table, entered, &left, pids, count);
	return !err && left ? -E2BIG : err;
}

int heap_probes_attach(struct heap_probes *p, const struct allocator *a, const pid_t *pids,
		       size_t count)
{
	int err;

	switch (p->f.way) {
	case PROBES_INHERITED:
		err = attach_inherited(p, a, pids, count);
		break;
	case PROBES_SESSION:
		err = attach_session(p, a, pids[0]);
		break;
	default:
		err = attach_each(p, a, pids[0]);
	}
	p->count += err ? 0 : a->count;
	return err;
}
