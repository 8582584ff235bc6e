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
#include <sys/signalfd.h>
#include <unistd.h>

#include "preload/kagent_child.h"

enum { STATUS_FAILED = 1 };

struct probed {
	struct kagent_child kagent;
	pid_t pid;
	bool launched;
	bool over;		/* its session is complete */
};

struct probes {
	struct target target;
	const struct settings *settings;
	const char *pattern;
	struct probed *list;
	size_t count;
	int signals;
	sigset_t mask;		/* as it was */
};

struct probes *probes_new(const struct settings *settings, const char *pattern)
{
	struct probes *p = calloc(1, sizeof(*p));
	size_t room = settings->pid_count ? settings->pid_count : 1;

	if (!p)
		return NULL;
	p->settings = settings;
	p->pattern = pattern;
	p->signals = p->target.fd = -1;
	p->list = calloc(room, sizeof(*p->list));
	if (p->list)
		return p;
	free(p);
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
	if (s->min_size)
		add_word(w, "--min-size=%" PRIu64, s->min_size);
	if (s->max_size)
		add_word(w, "--max-size=%" PRIu64, s->max_size);
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
	if (program)
		add_word(&w, "--await-exec=%s", program);
	rc = run_kagent(one, &w, program ? argv : NULL);
	if (rc) {
		kagent_child_end(&one->kagent);
		return complain(pid, rc);
	}
	one->pid = pid;
	one->launched = program;
	p->count++;
	return 0;
}

/* Asks for the latest, and waits for it. */
static void bring_up_to_date(struct probed *one)
{
	char byte = '?';

	if (one->over)
		return;
	if (write(one->kagent.in, &byte, 1) == 1 && read(one->kagent.out, &byte, 1) == 1)
		return;
	one->over = true;
	/* a kagent that was killed may have left it stopped at its first call */
	if (one->launched)
		kill(one->pid, SIGCONT);
}

/* A follow_writer_fn */
static bool look(void *arg, const struct session_header *header)
{
	struct probes *p = arg;
	pid_t pid = (pid_t)header->pid;

	for (size_t i = 0; i < p->count; i++) {
		if (p->list[i].pid != pid)
			continue;
		bring_up_to_date(&p->list[i]);
		return !p->list[i].over;
	}
	return false;
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
	free(p->list);
	free(p);
}

/* ---- as a target --------------------------------------------------------------------- */

static int catch_signals(struct probes *p)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		sigaddset(&set, ending[i]);
	if (sigprocmask(SIG_BLOCK, &set, &p->mask))
		return -errno;
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return p->signals < 0 ? -errno : 0;
}

static int watch_fd(const struct probes *p, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(p->target.fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int begin_all(struct probes *p)
{
	const struct settings *s = p->settings;
	int status = 0;

	for (size_t i = 0; i < s->pid_count && !status; i++) {
		status = probes_add(p, s->pids[i], NULL, NULL);
		if (!status && watch_fd(p, p->list[i].kagent.out))
			status = complain(s->pids[i], -errno);
	}
	return status;
}

static int probes_begin(struct target *target, const char *recording)
{
	struct probes *p = (struct probes *)target;
	int rc = catch_signals(p), status = STATUS_FAILED;

	(void)recording;
	if (!rc) {
		target->fd = epoll_create1(EPOLL_CLOEXEC);
		rc = target->fd < 0 ? -errno : watch_fd(p, p->signals);
	}
	if (rc)
		fprintf(stderr, "memleak: epoll: %s\n", strerror(-rc));
	else
		status = begin_all(p);
	if (status) {
		probes_stop(p);
		sigprocmask(SIG_SETMASK, &p->mask, NULL);
	}
	return status;
}

/* Standard output of a kagent that nothing was asked of is readable at its end. */
static bool all_over(struct probes *p)
{
	bool left = false;

	for (size_t i = 0; i < p->count; i++) {
		struct pollfd out = { .fd = p->list[i].kagent.out, .events = POLLIN };

		if (!p->list[i].over && poll(&out, 1, 0) > 0)
			p->list[i].over = true;
		if (p->list[i].over)
			epoll_ctl(p->target.fd, EPOLL_CTL_DEL, p->list[i].kagent.out, NULL);
		left |= !p->list[i].over;
	}
	return !left;
}

static bool probes_event(struct target *target)
{
	struct probes *p = (struct probes *)target;
	struct signalfd_siginfo info;

	return read(p->signals, &info, sizeof(info)) == sizeof(info) || all_over(p);
}

static bool probes_enough(struct target *target)
{
	(void)target;
	return true;
}

static int probes_end(struct target *target)
{
	struct probes *p = (struct probes *)target;

	probes_stop(p);
	close(p->signals);
	close(target->fd);
	sigprocmask(SIG_SETMASK, &p->mask, NULL);
	return 0;
}

struct target *probes_target(struct probes *p)
{
	static const struct target_ops ops = { probes_begin, probes_event, probes_enough,
					       probes_end };

	p->target.ops = &ops;
	return &p->target;
}
