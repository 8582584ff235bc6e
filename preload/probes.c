// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/probes.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "preload/held.h"
#include "preload/kagent_child.h"

enum { STATUS_FAILED = 1 };

struct probed {
	struct kagent_child kagent;
	pid_t pid;
	bool launched;
	bool over;		/* its session is complete */
};

struct probes {
	const struct settings *settings;
	const char *pattern;
	struct probed *list;
	size_t count;
	int fd;			/* epoll: their ends */
};

struct probes *probes_new(const struct settings *settings, const char *pattern)
{
	struct probes *p = calloc(1, sizeof(*p));
	size_t room = settings->pid_count ? settings->pid_count : 1;

	if (!p)
		return NULL;
	p->settings = settings;
	p->pattern = pattern;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	p->list = calloc(room, sizeof(*p->list));
	if (p->list && p->fd >= 0)
		return p;
	probes_free(p);
	return NULL;
}

/* ---- kagent's command line -------------------------------------------------------- */

struct words {
	char *text[24];
	size_t count;
	bool failed;
};

static void add_word(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_word(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&w->text[w->count], format, args) < 0) {
		w->text[w->count] = NULL;
		w->failed = true;
	} else {
		w->count++;
	}
	va_end(args);
}

static void add_settings(struct words *w, const struct settings *s)
{
	if (s->object)
		add_word(w, "--obj=%s", s->object);
	if (s->sample_rate)
		add_word(w, "--sample-rate=%" PRIu64, s->sample_rate);
	if (s->sample_bytes)
		add_word(w, "--sample=%" PRIu64, s->sample_bytes);
	if (s->max_overhead)
		add_word(w, "--max-overhead=%u", s->max_overhead);
	if (s->min_size)
		add_word(w, "--min-size=%" PRIu64, s->min_size);
	if (s->max_size)
		add_word(w, "--max-size=%" PRIu64, s->max_size);
	if (s->trace)
		add_word(w, "--trace");
	if (s->depth)
		add_word(w, "--depth=%u", s->depth > 127 ? 127 : s->depth);
}

/* Room for the program's own words behind `w`, which stay the caller's. */
static char **join(const struct words *w, char *const *argv)
{
	size_t more = 0;
	char **all;

	while (argv && argv[more])
		more++;
	all = calloc(w->count + more + 2, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, w->text, w->count * sizeof(*all));
	if (more)
		all[w->count] = "--";
	for (size_t i = 0; i < more; i++)
		all[w->count + 1 + i] = argv[i];
	return all;
}

static int run_kagent(struct probed *one, struct words *w, char *const *argv)
{
	char **all = w->failed ? NULL : join(w, argv);
	int rc = all ? kagent_child_start(&one->kagent, all, true) : -ENOMEM;

	free(all);
	for (size_t i = 0; i < w->count; i++)
		free(w->text[i]);
	return rc;
}

/* ---- one process ------------------------------------------------------------------- */

static int complain(pid_t pid, int rc)
{
	if (rc != -ECANCELED)
		fprintf(stderr, "memleak: process %d cannot be recorded by kagent: %s\n", (int)pid,
			strerror(-rc));
	return STATUS_FAILED;
}

/* Standard output of a kagent that nothing was asked of is readable at its end. */
static void watch_end(const struct probes *p, const struct probed *one)
{
	struct epoll_event ev = { .events = EPOLLIN };

	epoll_ctl(p->fd, EPOLL_CTL_ADD, one->kagent.out, &ev);
}

int probes_fd(const struct probes *p)
{
	return p->fd;
}

/* Its kagent has ended, perhaps by somebody's hand: what it held must not stay so. */
static void set_over(struct probes *p, struct probed *one)
{
	if (one->over)
		return;
	one->over = true;
	epoll_ctl(p->fd, EPOLL_CTL_DEL, one->kagent.out, NULL);
	if (!one->launched)
		return;
	kagent_child_end(&one->kagent);	/* it stops nothing any more */
	held_release(one->pid);
}

size_t probes_running(struct probes *p)
{
	size_t running = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct pollfd out = { .fd = p->list[i].kagent.out, .events = POLLIN };

		if (!p->list[i].over && poll(&out, 1, 0) > 0)
			set_over(p, &p->list[i]);
		running += !p->list[i].over;
	}
	return running;
}

bool probes_any(const struct probes *p)
{
	return p->count;
}

int probes_add(struct probes *p, pid_t pid, const char *program, char *const *argv)
{
	struct probed *one = &p->list[p->count];
	struct words w = { .count = 0 };
	char path[PATH_MAX];
	int rc;

	if (settings_session_path(p->pattern, pid, program, p->settings->pid_count > 1, path))
		return complain(pid, -ENAMETOOLONG);
	add_word(&w, "kagent");
	add_word(&w, "uprobe");
	add_word(&w, "--control");
	add_word(&w, "--pid=%d", (int)pid);
	add_word(&w, "--output=%s", path);
	add_settings(&w, p->settings);
	if (!p->settings->no_follow)
		add_word(&w, "--children=%s", p->pattern);
	if (program)
		add_word(&w, "--await-exec=%s", program);
	rc = run_kagent(one, &w, program ? argv : NULL);
	if (rc) {
		kagent_child_end(&one->kagent);
		return complain(pid, rc);
	}
	watch_end(p, one);
	one->pid = pid;
	one->launched = program;
	p->count++;
	return 0;
}

/* Asks for the latest of a process that it may follow, and waits for it. */
static enum follow_writes bring_up_to_date(struct probes *p, struct probed *one, pid_t pid)
{
	/* as kagent answers: enum heap_family_has */
	static const enum follow_writes answers[] = {
		FOLLOW_NOT_WRITTEN, FOLLOW_COMPLETE, FOLLOW_MORE,
	};
	int32_t asked = pid;
	unsigned char answer;

	if (!one->over && write(one->kagent.in, &asked, sizeof(asked)) == sizeof(asked) &&
	    read(one->kagent.out, &answer, 1) == 1 && answer < sizeof(answers) / sizeof(*answers))
		return answers[answer];
	set_over(p, one);
	return one->pid == pid ? FOLLOW_COMPLETE : FOLLOW_NOT_WRITTEN;
}

/* A follow_writer_fn. (A pid that has another outside is of another namespace.) */
static enum follow_writes look(void *arg, const struct session_header *header)
{
	enum follow_writes is = FOLLOW_NOT_WRITTEN;
	struct probes *p = arg;

	for (size_t i = 0; i < p->count && !header->watched_pid && is == FOLLOW_NOT_WRITTEN; i++)
		is = bring_up_to_date(p, &p->list[i], (pid_t)header->pid);
	return is;
}

void probes_write_for(struct probes *p, struct follow *follow)
{
	follow_ask(follow, look, p);
}

void probes_stop(struct probes *p)
{
	for (size_t i = 0; i < p->count; i++) {
		kagent_child_end(&p->list[i].kagent);
		p->list[i].over = true;
	}
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	probes_stop(p);
	if (p->fd >= 0)
		close(p->fd);
	free(p->list);
	free(p);
}
