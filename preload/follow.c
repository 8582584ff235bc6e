// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/proc_stat.h"
#include "preload/outer_pid.h"

#define SOON_TRIES 400	/* its writer was killed, or descriptors are short: no haste any more */

struct follow {
	int fd;			/* inotify */
	char *dir;
	char *prefix, *suffix;	/* what all names begin and end with */
	struct timespec since;	/* older files are not ours */
	struct followed *first, **last;
	follow_writer_fn *writer;	/* NULL: the processes themselves */
	void *writer_arg;
};

/* The fixed parts of a pattern's names; a number may be put in front of the suffix. */
static int split_pattern(struct follow *f, const char *pattern)
{
	const char *base = strrchr(pattern, '/') + 1;
	size_t fixed = strcspn(base, "%");
	const char *escape = strrchr(base, '%'), *dot = strrchr(base, '.');

	if (!dot || (escape && dot < escape))
		dot = base + strlen(base);
	/* without %p the numbers that tell processes apart may stand anywhere behind */
	if (!escape) {
		fixed = (size_t)(dot - base);
		dot = base + strlen(base);
	}
	f->dir = strndup(pattern, (size_t)(base - pattern));
	f->prefix = strndup(base, fixed);
	f->suffix = strdup(dot);
	return f->dir && f->prefix && f->suffix ? 0 : -ENOMEM;
}

int follow_open(const char *pattern, struct follow **out)
{
	struct follow *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	f->last = &f->first;
	f->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	rc = f->fd < 0 ? -errno : split_pattern(f, pattern);
	if (!rc && inotify_add_watch(f->fd, f->dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		rc = -errno;
	if (rc) {
		follow_close(f);
		return rc;
	}
	clock_gettime(CLOCK_REALTIME_COARSE, &f->since);
	*out = f;
	return 0;
}

void follow_ask(struct follow *f, follow_writer_fn *writer, void *arg)
{
	f->writer = writer;
	f->writer_arg = arg;
}

void follow_close(struct follow *f)
{
	struct followed *one, *next;

	if (!f)
		return;
	for (one = f->first; one; one = next) {
		next = one->next;
		session_close(one->session);
		timeline_free(one->timeline);
		free(one->path);
		free(one);
	}
	if (f->fd >= 0)
		close(f->fd);
	free(f->dir);
	free(f->prefix);
	free(f->suffix);
	free(f);
}

int follow_fd(const struct follow *f)
{
	return f->fd;
}

struct followed *follow_first(const struct follow *f)
{
	return f->first;
}

static bool name_fits(const struct follow *f, const char *name)
{
	size_t len = strlen(name), prefix = strlen(f->prefix), suffix = strlen(f->suffix);

	return len >= prefix + suffix && !strncmp(name, f->prefix, prefix) &&
	       !strcmp(name + len - suffix, f->suffix);
}

static int add(struct follow *f, const char *name)
{
	struct followed *one;

	if (!name_fits(f, name))
		return 0;
	one = calloc(1, sizeof(*one));
	if (!one || asprintf(&one->path, "%s%s", f->dir, name) < 0) {
		free(one);
		return -ENOMEM;
	}
	one->of = f;
	*f->last = one;
	f->last = &one->next;
	return 0;
}

static bool is_known(const struct follow *f, const char *name)
{
	for (const struct followed *one = f->first; one; one = one->next)
		if (!strcmp(one->path + strlen(f->dir), name))
			return true;
	return false;
}

static bool is_recent(const struct follow *f, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, 0) || !S_ISREG(st.st_mode))
		return false;
	if (st.st_mtim.tv_sec != f->since.tv_sec)
		return st.st_mtim.tv_sec > f->since.tv_sec;
	return st.st_mtim.tv_nsec >= f->since.tv_nsec;
}

/* The kernel has dropped events: looks at the whole directory. */
static int rescan(struct follow *f)
{
	DIR *dir = opendir(f->dir);
	const struct dirent *entry;
	int rc = 0;

	if (!dir)
		return -errno;
	while (!rc && (entry = readdir(dir)))
		if (name_fits(f, entry->d_name) && !is_known(f, entry->d_name) &&
		    is_recent(f, dirfd(dir), entry->d_name))
			rc = add(f, entry->d_name);
	closedir(dir);
	return rc;
}

static int take_events(struct follow *f, const char *at, const char *end)
{
	int rc = 0;

	while (!rc && at < end) {
		const struct inotify_event *event = (const void *)at;

		if (event->mask & IN_Q_OVERFLOW)
			rc = rescan(f);
		else if (event->len && !is_known(f, event->name))
			rc = add(f, event->name);
		at += sizeof(*event) + event->len;
	}
	return rc;
}

/* Will it be another time? A file that is just being made may look like anything. */
static bool may_open_later(const struct followed *one, int err)
{
	switch (err) {
	case -EAGAIN:
	case -ENODATA:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return true;
	case -ENOENT:
		return false;
	}
	return one->tries < SOON_TRIES;
}

/* Opens a session whose header is complete; one that can never be opened is done. */
static void try_open(struct followed *one)
{
	int rc = session_open(one->path, &one->session);

	one->tries++;
	if (!rc)
		one->state = FOLLOWED_RUNNING;
	else if (!may_open_later(one, rc))
		one->state = FOLLOWED_DONE;
}

int follow_update(struct follow *f)
{
	char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;
	int rc = 0;

	while (!rc && (len = read(f->fd, events, sizeof(events))) > 0)
		rc = take_events(f, events, events + len);
	for (struct followed *one = f->first; one; one = one->next)
		if (one->state == FOLLOWED_STARTING)
			try_open(one);
	return rc;
}

bool follow_is_starting(const struct follow *f)
{
	for (const struct followed *one = f->first; one; one = one->next)
		if (one->state == FOLLOWED_STARTING && one->tries < SOON_TRIES)
			return true;
	return false;
}

/*
 * A process may go on as another program that makes no session (a static one).
 * Only the name is compared: directories look different from inside a chroot.
 */
static bool runs_other_program(const struct followed *one)
{
	const struct session_header *header = session_header(one->session);
	const char *exe = basename(session_string(one->session, header->exe)), *now;
	pid_t pid = one->outer_pid ? one->outer_pid : (pid_t)header->pid;
	char path[64], target[PATH_MAX];
	size_t name = strlen(exe);
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0 || !name)
		return false;
	target[len] = '\0';
	now = basename(target);
	return strncmp(now, exe, name) || (now[name] && strcmp(now + name, " (deleted)"));
}

/* What its header says was read before; a process in another pid namespace is looked for once. */
static bool is_running(struct followed *one)
{
	const struct session_header *header = session_header(one->session);

	if (session_is_running(one->session))
		return true;
	if (header->state != SESSION_LIVE)
		return false;
	if (!one->outer_pid)
		one->outer_pid = outer_pid_find((pid_t)header->pid, header->start_ticks);
	return one->outer_pid && proc_stat_runs(one->outer_pid, header->start_ticks);
}

/* What somebody else writes says itself when there is no more. */
static void refresh_written(struct followed *one, enum follow_writes writes)
{
	if (session_refresh(one->session) || writes == FOLLOW_COMPLETE ||
	    session_header(one->session)->state == SESSION_ENDED)
		one->state = FOLLOWED_ENDED;
	one->replaced = session_header(one->session)->end_reason == SESSION_END_EXEC;
}

void follow_refresh(struct followed *one)
{
	const struct follow *f = one->of;
	enum follow_writes writes = FOLLOW_NOT_WRITTEN;
	bool running;

	if (one->state != FOLLOWED_RUNNING)
		return;
	if (f->writer)
		writes = f->writer(f->writer_arg, session_header(one->session));
	if (writes != FOLLOW_NOT_WRITTEN) {
		refresh_written(one, writes);
		return;
	}
	/* in this order: what is read after the end of the writer is all there is */
	running = is_running(one);
	one->replaced = running && runs_other_program(one);
	if (session_refresh(one->session) || !running || one->replaced ||
	    session_header(one->session)->state == SESSION_ENDED)
		one->state = FOLLOWED_ENDED;
	if (session_header(one->session)->end_reason == SESSION_END_EXEC)
		one->replaced = true;
}

void follow_done(struct followed *one)
{
	session_close(one->session);
	one->session = NULL;
	one->state = FOLLOWED_DONE;
}
