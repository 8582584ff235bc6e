// SPDX-License-Identifier: MIT
/* threads_view.c - see threads_view.h */
#define _GNU_SOURCE 1
#include "preload/threads_view.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fmt.h"

struct thread {
	uint32_t tid;		/* as the process sees it; 0: threads that have no name in the session */
	char name[64];
	char doing[64];		/* "": it has ended */
	bool recorded;		/* it has made a call that was recorded */
	double count, bytes;
};

struct threads {
	struct thread *all;
	size_t count, room;
};

static struct thread *find(struct threads *t, uint32_t tid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->all[i].tid == tid)
			return &t->all[i];
	return NULL;
}

/* The thread, added if it is not there yet; NULL: no memory. */
static struct thread *get(struct threads *t, uint32_t tid)
{
	struct thread *one = find(t, tid);

	if (one)
		return one;
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct thread *grown = realloc(t->all, room * sizeof(*grown));

		if (!grown)
			return NULL;
		t->all = grown;
		t->room = room;
	}
	one = &t->all[t->count++];
	*one = (struct thread){ .tid = tid };
	return one;
}

/* ---- what the system says of a running thread ----------------------------------- */

static bool read_line(pid_t pid, const char *tid, const char *file, const char *prefix, char *line,
		      size_t size)
{
	char path[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, tid, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, (int)size, f))
		found = !strncmp(line, prefix, strlen(prefix));
	if (f)
		fclose(f);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

static const char *state_word(char state)
{
	switch (state) {
	case 'R': return "running";
	case 'S': return "sleeping";
	case 'D': return "waiting";
	case 'T': return "stopped";
	case 't': return "traced";
	}
	return "ending";
}

static void read_doing(pid_t pid, const char *tid, struct thread *one)
{
	char line[512], channel[64], *end;
	const char *word = "running";

	if (read_line(pid, tid, "stat", "", line, sizeof(line)) && (end = strrchr(line, ')')) &&
	    end[1] && end[2])
		word = state_word(end[2]);
	/* the function of the kernel that it sleeps in; "0" where that is kept secret */
	if (strcmp(word, "running") && read_line(pid, tid, "wchan", "", channel, sizeof(channel)) &&
	    strcmp(channel, "0"))
		snprintf(one->doing, sizeof(one->doing), "%s in %.40s", word, channel);
	else
		snprintf(one->doing, sizeof(one->doing), "%s", word);
}

/* In a pid namespace of its own it has another number there: the last one of NSpid. */
static uint32_t inner_tid(pid_t pid, const char *tid)
{
	char line[512], *last;

	if (!read_line(pid, tid, "status", "NSpid:", line, sizeof(line)))
		return (uint32_t)strtoul(tid, NULL, 10);
	last = strrchr(line, '\t');
	return (uint32_t)strtoul(last ? last : line + 6, NULL, 10);
}

static int add_running(struct threads *t, pid_t pid)
{
	char path[64], name[64];
	const struct dirent *e;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = pid ? opendir(path) : NULL;
	while (!err && dir && (e = readdir(dir))) {
		struct thread *one;

		if (e->d_name[0] == '.' || !read_line(pid, e->d_name, "comm", "", name, sizeof(name)))
			continue;
		one = get(t, inner_tid(pid, e->d_name));
		if (!one) {
			err = -ENOMEM;
			break;
		}
		fmt_name_buf(one->name, sizeof(one->name), name);
		read_doing(pid, e->d_name, one);
	}
	if (dir)
		closedir(dir);
	return err;
}

/* ---- what the session says ------------------------------------------------------- */

static int add_holding(struct threads *t, const struct report_holding *h)
{
	struct thread *one;

	if (h->live.est_count <= 0)
		return 0;
	one = get(t, h->tid);
	if (!one)
		return -ENOMEM;
	one->count += h->live.est_count;
	one->bytes += h->live.est_bytes;
	return 0;
}

static int add_holdings(struct threads *t, const struct report *report)
{
	int err = 0;

	for (size_t i = 0; i < report_site_count(report); i++) {
		const struct report_site *site = report_site(report, i);

		for (size_t k = 0; !err && k < site->holding_count; k++)
			err = add_holding(t, &site->holdings[k]);
	}
	return err;
}

/* Those that have ended and hold nothing are left out. */
static void add_names(struct threads *t, const struct session *session)
{
	for (uint64_t i = 0; i < session_count(session, SECT_THREADS); i++) {
		const struct session_thread *s = session_thread(session, i);
		struct thread *one = s && s->tid ? find(t, s->tid) : NULL;
		char name[sizeof(s->comm) + 1];

		if (!one)
			continue;
		one->recorded = true;
		snprintf(name, sizeof(name), "%.*s", (int)sizeof(s->comm), s->comm);
		if (!*one->doing)
			fmt_name_buf(one->name, sizeof(one->name), name);
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void print_thread(FILE *out, const struct thread *one, bool estimate)
{
	fprintf(out, "%10.0u %-16s %-32s ", one->tid, one->tid ? one->name : "(others)",
		*one->doing ? one->doing : one->tid ? "ended" : "");
	if (one->recorded || one->count > 0)
		fprintf(out, "%s%12.0f %14.0f\n", estimate ? "~" : " ", one->count, one->bytes);
	else
		fprintf(out, " %12s %14s\n", "-", "-");
}

int threads_view_print(FILE *out, const struct session *session, pid_t pid,
		       const struct report *report)
{
	struct threads t = { 0 };
	int err = add_running(&t, pid);

	if (!err)
		err = add_holdings(&t, report);
	if (!err) {
		add_names(&t, session);
		if (t.count)
			qsort(t.all, t.count, sizeof(*t.all), by_bytes);
		fprintf(out, "Threads (-: no call recorded):\n%10s %-16s %-32s %13s %14s\n", "TID",
			"NAME", "STATE", "ALLOCATIONS", "BYTES");
		for (size_t i = 0; i < t.count; i++)
			print_thread(out, &t.all[i], report_summary(report)->sampled);
	}
	free(t.all);
	return err;
}
