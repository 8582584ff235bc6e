// SPDX-License-Identifier: MIT
/* attach.c - see attach.h */
#define _GNU_SOURCE 1
#include "preload/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/engine.h"
#include "preload/keeper.h"
#include "preload/library.h"

#define DEFAULT_TIMEOUT_MS	10000

enum { STATUS_FAILED = 1 };

struct attached {
	struct keeper keeper;	/* pid 0: none, or it has gone */
	enum settings_engine engine;	/* AUTO: none will do */
	bool on;		/* it is being recorded */
	bool ended;		/* the process has ended */
};

struct attach {
	struct target target;
	const struct attach_options *options;
	const struct settings *settings;
	struct attached *all;
	sigset_t mask;		/* as it was */
	int signals;
};

static int failed(const char *what, int err)
{
	fprintf(stderr, "memleak: %s: %s\n", what, strerror(-err));
	return STATUS_FAILED;
}

/* ---- signals: Ctrl-C ends the watching, not memleak ---------------------------- */

static int catch_signals(struct attach *a)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		sigaddset(&set, ending[i]);
	if (sigprocmask(SIG_BLOCK, &set, &a->mask))
		return -errno;
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signals < 0 ? -errno : 0;
}

static int watch_fd(const struct attach *a, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(a->target.fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static bool interrupted(const struct attach *a)
{
	struct signalfd_siginfo info;

	return read(a->signals, &info, sizeof(info)) == sizeof(info);
}

/* ---- one process --------------------------------------------------------------- */

/* The session appears where follow.h looks for it, as a link to the keeper's. */
static int link_session(const struct attach *a, pid_t pid, const char *session)
{
	const char *pattern = a->options->pattern, *base = strrchr(pattern, '/');
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s/%d.leak", (int)(base - pattern), pattern, (int)pid);
	return symlink(session, path) ? -errno : 0;
}

static int accept_attached(struct attach *a, struct attached *one, const struct keeper_message *m)
{
	int err = 0;

	if (m->joined && a->settings->output) {
		fprintf(stderr, "memleak: process %d is being recorded already, by another who says where "
			"its session is kept: leave out --output to read along\n",
			(int)one->keeper.target);
		return STATUS_FAILED;
	}
	if (!a->settings->output)
		err = link_session(a, one->keeper.target, m->text);
	if (err)
		return failed("cannot make the session visible", err);
	one->on = true;
	if (m->joined)
		fprintf(stderr, "memleak: process %d is being recorded already: reading along\n",
			(int)one->keeper.target);
	else
		fprintf(stderr, "memleak: process %d was held for %.1f ms\n",
			(int)one->keeper.target, (double)m->held_ns / 1e6);
	return watch_fd(a, one->keeper.messages);
}

static int probe_one(struct attach *a, pid_t pid)
{
	return probes_add(a->options->probes, pid, NULL, NULL);
}

/* Waits until the keeper has attached or failed. */
static int hear_keeper(struct attach *a, struct attached *one)
{
	struct keeper_message m;

	if (!keeper_next(&one->keeper, &m)) {
		fprintf(stderr, "memleak: the process that was to attach to %d has gone\n",
			(int)one->keeper.target);
		return STATUS_FAILED;
	}
	if (m.event == KEEPER_ATTACHED)
		return accept_attached(a, one, &m);
	if (m.impossible && engine_probes_instead(a->settings, one->keeper.target, m.text))
		return probe_one(a, one->keeper.target);
	fprintf(stderr, "memleak: %s\n", m.text);
	return STATUS_FAILED;
}

/* Keepers attach to all processes at the same time; probes go one by one. */
static size_t begin_all(struct attach *a)
{
	size_t on = 0;

	for (size_t i = 0; i < a->settings->pid_count; i++) {
		if (a->all[i].keeper.pid)
			on += !hear_keeper(a, &a->all[i]);
		else if (a->all[i].engine == ENGINE_UPROBE)
			on += !probe_one(a, a->settings->pids[i]);
	}
	return on;
}

static int start_keeper(struct attach *a, size_t i, const struct keeper_options *options)
{
	int err = keeper_start(&a->all[i].keeper, a->settings->pids[i], options);

	return err ? failed("cannot start a process that attaches", err) : 0;
}

/* Forked children are not followed: their parent is what was asked for. */
static int start_keepers(struct attach *a, const char *recording)
{
	char recorded[3072], library[PATH_MAX];
	int timeout_ms = a->settings->attach_timeout_ms;
	const struct keeper_options options = {
		.library = library,
		.recording = recorded,
		.keep_session = a->settings->output,
		.timeout_ms = timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS,
	};
	int err = library_find(library), status = 0;

	if (err && err != -EINVAL)	/* no LD_PRELOAD here: blanks don't matter */
		return library_complain(err, library);
	if (snprintf(recorded, sizeof(recorded), "%s,follow=0", recording) >= (int)sizeof(recorded))
		return failed("settings", -E2BIG);
	for (size_t i = 0; i < a->settings->pid_count && !status; i++)
		if (a->all[i].engine == ENGINE_SHIM)
			status = start_keeper(a, i, &options);
	return status;
}

/* How each process is to be recorded. True: there is one for libleak.so. */
static bool choose_engines(struct attach *a)
{
	bool shim = false;

	for (size_t i = 0; i < a->settings->pid_count; i++) {
		struct attached *one = &a->all[i];

		if (engine_for_process(a->settings, a->settings->pids[i], &one->engine))
			one->engine = ENGINE_AUTO;	/* none */
		shim |= one->engine == ENGINE_SHIM;
	}
	return shim;
}

/* ---- the target ------------------------------------------------------------------ */

static void let_go(struct attach *a)
{
	struct keeper_message m;

	for (size_t i = 0; i < a->settings->pid_count; i++)
		keeper_let_go(&a->all[i].keeper);
	for (size_t i = 0; i < a->settings->pid_count; i++)
		while (keeper_next(&a->all[i].keeper, &m))
			if (m.event == KEEPER_DETACHED && m.text[0])
				fprintf(stderr, "memleak: %s\n", m.text);
}

static int attach_begin(struct target *target, const char *recording)
{
	struct attach *a = (struct attach *)target;
	size_t on = 0;
	int status = catch_signals(a);

	if (status)
		return failed("signalfd", status);
	target->fd = epoll_create1(EPOLL_CLOEXEC);
	status = target->fd < 0 ? -errno : watch_fd(a, a->signals);
	if (!status)
		status = watch_fd(a, probes_fd(a->options->probes));
	if (status)
		return failed("epoll", status);
	if (choose_engines(a))
		status = start_keepers(a, recording);
	if (!status)
		on = begin_all(a);
	if (on)
		return 0;
	let_go(a);
	sigprocmask(SIG_SETMASK, &a->mask, NULL);
	return STATUS_FAILED;
}

/* Takes the messages of those that have some. True: a process is left that has a keeper. */
static bool hear_keepers(struct attach *a)
{
	struct keeper_message m;
	bool left = false;

	for (size_t i = 0; i < a->settings->pid_count; i++) {
		struct attached *one = &a->all[i];
		struct pollfd p = { .fd = one->keeper.messages, .events = POLLIN };

		if (!one->on || one->ended)
			continue;
		if (poll(&p, 1, 0) > 0 &&
		    (!keeper_next(&one->keeper, &m) || m.event == KEEPER_TARGET_ENDED))
			one->ended = true;
		left |= !one->ended;
	}
	return left;
}

static bool attach_event(struct target *target)
{
	struct attach *a = (struct attach *)target;
	bool left;

	if (interrupted(a))
		return true;
	left = hear_keepers(a);
	return !probes_running(a->options->probes) && !left;
}

static bool attach_enough(struct target *target)
{
	(void)target;
	return true;
}

static int attach_end(struct target *target)
{
	struct attach *a = (struct attach *)target;

	let_go(a);
	close(a->signals);
	close(target->fd);
	sigprocmask(SIG_SETMASK, &a->mask, NULL);
	return 0;
}

static bool same_link(const char *a, const char *b)
{
	char x[64] = "", y[64] = "";

	return readlink(a, x, sizeof(x) - 1) < 0 || readlink(b, y, sizeof(y) - 1) < 0 ||
	       !strcmp(x, y);
}

void attach_sysroot(pid_t pid, char sysroot[64])
{
	char root[64], mounts[64];
	struct stat theirs, ours;
	int fd;

	*sysroot = '\0';
	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	snprintf(mounts, sizeof(mounts), "/proc/%d/ns/mnt", (int)pid);
	if (stat(root, &theirs) || stat("/", &ours) ||
	    (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino &&
	     same_link(mounts, "/proc/self/ns/mnt")))
		return;
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);	/* outlives the process */
	if (fd >= 0)
		snprintf(sysroot, 64, "/proc/self/fd/%d", fd);
}

struct target *attach_target(const struct attach_options *options)
{
	static const struct target_ops ops = { attach_begin, attach_event, attach_enough,
					       attach_end };
	static struct attach attach = { .target = { &ops, -1 } };

	attach.options = options;
	attach.settings = options->settings;
	attach.all = calloc(options->settings->pid_count, sizeof(*attach.all));
	return attach.all ? &attach.target : NULL;
}
