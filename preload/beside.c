// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload/library.h"

#define START_MS	30000	/* the BPF verifier takes its time on a busy machine */
#define STOP_MS		30000
#define INTERVAL_MIN_NS	100000000ull

struct beside {
	pid_t pid;		/* 0: has ended */
	int out;		/* its standard output, of which nothing but the begin is wanted */
	char fresh[PATH_MAX];	/* where kagent puts its sessions */
	char taken[PATH_MAX];	/* and memleak the one that it reads */
	struct session *session, *after;
};

/* ---- its command line ---- */

struct words {
	char **list;
	char (*pids)[24];
	char older[24], interval[24];
};

/* A session is at most half an interval old when it is looked at. */
static void write_numbers(struct words *w, const struct beside_options *o)
{
	uint64_t ns = o->interval_ns / 2;

	if (ns < INTERVAL_MIN_NS)
		ns = INTERVAL_MIN_NS;
	snprintf(w->older, sizeof(w->older), "%" PRIu64, o->older_ns / 1000000);
	snprintf(w->interval, sizeof(w->interval), "%.3f", (double)ns / 1e9);
	for (size_t i = 0; i < o->pid_count; i++)
		snprintf(w->pids[i], sizeof(w->pids[i]), "--pid=%d", (int)o->pids[i]);
}

static void free_words(struct words *w)
{
	free(w->list);
	free(w->pids);
}

static int make_words(struct words *w, struct beside *b, const struct beside_options *o)
{
	char *const first[] = { "kagent", "--quiet", "--older", w->older, "--output", b->fresh };
	size_t n = sizeof(first) / sizeof(*first);

	w->list = calloc(n + o->pid_count + 3, sizeof(*w->list));
	w->pids = calloc(o->pid_count + 1, sizeof(*w->pids));
	if (!w->list || !w->pids) {
		free_words(w);
		return -ENOMEM;
	}
	write_numbers(w, o);
	memcpy(w->list, first, sizeof(first));
	for (size_t i = 0; i < o->pid_count; i++)
		w->list[n++] = w->pids[i];
	if (o->children)
		w->list[n++] = "--children";
	w->list[n] = w->interval;
	return 0;
}

/* ---- start ---- */

/* In the child. What the terminal sends is not for it; it ends with memleak. */
static void become_kagent(const char *path, char **words, int out, pid_t parent)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGINT);
	sigemptyset(&none);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent && dup2(out, STDOUT_FILENO) >= 0)
		execv(path, words);
	_exit(127);
}

static int spawn(struct beside *b, const char *path, char **words)
{
	pid_t self = getpid();
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	b->pid = fork();
	if (b->pid == 0)
		become_kagent(path, words, out[1], self);
	close(out[1]);
	b->out = out[0];
	return b->pid < 0 ? -errno : 0;
}

/* Its first line says that it records; end of file, that it has said why it cannot. */
static int wait_until_ready(struct beside *b)
{
	struct pollfd readable = { .fd = b->out, .events = POLLIN };
	char text[4096];
	int got;

	do {
		got = poll(&readable, 1, START_MS);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got ? -errno : -ETIMEDOUT;
	return read(b->out, text, sizeof(text)) > 0 ? 0 : -ECANCELED;
}

static int run_kagent(struct beside *b, const struct beside_options *o, const char *path)
{
	struct words words;
	int rc = make_words(&words, b, o);

	if (rc)
		return rc;
	rc = spawn(b, path, words.list);
	free_words(&words);
	return rc ? rc : wait_until_ready(b);
}

static int begin(struct beside *b, const struct beside_options *o)
{
	char path[PATH_MAX];
	int rc = library_find_program("kagent", path);

	if (!rc && (snprintf(b->fresh, PATH_MAX, "%s/kernel.session", o->dir) >= PATH_MAX ||
		    snprintf(b->taken, PATH_MAX, "%s/kernel.taken", o->dir) >= PATH_MAX))
		rc = -ENAMETOOLONG;
	return rc ? rc : run_kagent(b, o, path);
}

int beside_start(const struct beside_options *options, struct beside **out)
{
	struct beside *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	if (b) {
		b->out = -1;
		rc = begin(b, options);
	}
	if (rc) {
		if (rc != -ECANCELED)
			fprintf(stderr, "memleak: kagent: %s\n", strerror(-rc));
		beside_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

/* ---- sessions ---- */

static void take(const char *path, struct session **session)
{
	struct session *newer;

	if (session_open(path, &newer))
		return;
	session_close(*session);
	*session = newer;
}

void beside_refresh(struct beside *b)
{
	/* out of kagent's way, so that the file stays as it was read */
	if (!b->after && !rename(b->fresh, b->taken))
		take(b->taken, &b->session);
}

struct session *beside_session(const struct beside *b)
{
	return b ? b->session : NULL;
}

struct session *beside_after(const struct beside *b)
{
	return b ? b->after : NULL;
}

static int copy(const char *from, const char *path)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), rc = 0;
	int out = in < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t len;

	if (out < 0)
		rc = -errno;
	while (!rc && (len = sendfile(out, in, NULL, 1 << 20)) != 0)
		if (len < 0)
			rc = -errno;
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) && !rc)
		rc = -errno;
	return rc;
}

/* On another file system through a temporary name, so that it appears whole. */
static int move(const char *from, const char *path)
{
	char temporary[PATH_MAX];
	int rc;

	if (!rename(from, path))
		return 0;
	if (errno != EXDEV)
		return -errno;
	if (snprintf(temporary, PATH_MAX, "%s.%d", path, (int)getpid()) >= PATH_MAX)
		return -ENAMETOOLONG;
	rc = copy(from, temporary);
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (rc)
		unlink(temporary);
	return rc;
}

int beside_keep(const struct beside *b, const char *path)
{
	if (!b->session && !b->after)
		return -ENOENT;
	return move(b->session ? b->taken : b->fresh, path);
}

/* ---- end ---- */

static bool reap(struct beside *b, int milliseconds)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int waited = 0; b->pid && waited <= milliseconds; waited += 10) {
		pid_t got = waitpid(b->pid, NULL, WNOHANG);

		if (got == b->pid || (got < 0 && errno == ECHILD))
			b->pid = 0;
		else
			nanosleep(&pause, NULL);
	}
	return !b->pid;
}

static void end(struct beside *b)
{
	if (b->pid > 0) {
		kill(b->pid, SIGINT);
		if (!reap(b, STOP_MS)) {
			fprintf(stderr, "memleak: kagent does not end: killed\n");
			kill(b->pid, SIGKILL);
			reap(b, STOP_MS);
		}
	}
	if (b->out >= 0)
		close(b->out);
	b->out = -1;
}

void beside_stop(struct beside *b)
{
	end(b);
	take(b->fresh, &b->after);
}

void beside_free(struct beside *b)
{
	if (!b)
		return;
	end(b);
	session_close(b->session);
	session_close(b->after);
	free(b);
}
