// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "preload/kagent_child.h"

#define INTERVAL_MIN_NS	100000000ull

struct beside {
	struct kagent_child kagent;
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

static int begin(struct beside *b, const struct beside_options *o)
{
	struct words words;
	int rc;

	if (snprintf(b->fresh, PATH_MAX, "%s/kernel.session", o->dir) >= PATH_MAX ||
	    snprintf(b->taken, PATH_MAX, "%s/kernel.taken", o->dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	rc = make_words(&words, b, o);
	if (rc)
		return rc;
	rc = kagent_child_start(&b->kagent, words.list, false);
	free_words(&words);
	return rc;
}

int beside_start(const struct beside_options *options, struct beside **out)
{
	struct beside *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	if (b)
		rc = begin(b, options);
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

void beside_stop(struct beside *b)
{
	kagent_child_end(&b->kagent);
	take(b->fresh, &b->after);
}

void beside_free(struct beside *b)
{
	if (!b)
		return;
	kagent_child_end(&b->kagent);
	session_close(b->session);
	session_close(b->after);
	free(b);
}
