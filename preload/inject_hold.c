// SPDX-License-Identifier: MIT
/* inject_hold.c - finding a thread that may call, and holding it; see inject_private.h */
#define _GNU_SOURCE 1
#include "inject_private.h"

#include "../common/proc_stat.h"
#include "inject_check.h"
#include "inject_refusal.h"
#include "inject_stack.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLD_MIN_MS		50
#define HOLD_MAX_MS		800
#define OWN_STACK_ROOM		(16u << 10)	/* below a thread's stack pointer, besides its xstate */
#define OTHER_STACK_ROOM	(64u << 10)
#define PAUSE_MIN_MS		1
#define PAUSE_MAX_MS		64

int inject_look(struct inject *in, struct inject_why *why)
{
	struct safety *safety = NULL;
	struct image *image = NULL;
	int err = image_load(&image, in->pid, in->mem);

	if (!err)
		err = safety_new(&safety, image, in->mem);
	if (err) {
		image_free(image);
		if (!inject_check(in->pid, why))
			return err == -ENOTSUP ?
				inject_because(why, err, "process %d has no C library that "
					       "memleak knows (a shared glibc or musl)", in->pid) :
				inject_because(why, err, "cannot read the memory map of process "
					       "%d: %s", in->pid, strerror(-err));
		return -ESRCH;
	}
	safety_free(in->safety);
	image_free(in->image);
	in->safety = safety;
	in->image = image;
	return 0;
}

/* Is it stopped for us? It was asked to in an earlier round, and did when we had stopped waiting. */
static bool is_held_already(pid_t tid)
{
	struct inject_status s;

	return !inject_read_status(tid, &s) && s.state == 't' && s.tracer == getpid();
}

static char thread_state(pid_t pid, pid_t tid)
{
	struct proc_stat s;

	return proc_stat_read_thread(pid, tid, &s) ? 'X' : s.state;
}

/* Lists the threads that can be stopped or are: the running ones come last. Returns how many. */
static size_t list_threads(pid_t pid, pid_t *tids, size_t room)
{
	size_t count = 0, sleeping = 0;
	char name[64];
	struct dirent *e;
	DIR *d;

	snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
	d = opendir(name);
	while (d && count < room && (e = readdir(d))) {
		pid_t tid = (pid_t)atoi(e->d_name);
		char state = tid > 0 ? thread_state(pid, tid) : 'X';

		if (state != 'S' && state != 'R' && !(state == 't' && is_held_already(tid)))
			continue;
		tids[count++] = tid;
		if (state != 'R') {
			tids[count - 1] = tids[sleeping];
			tids[sleeping++] = tid;
		}
	}
	if (d)
		closedir(d);
	return count;
}

/* One round over the threads. */
struct attempt {
	bool certain;		/* see judge() */
	int hold_ms;		/* for a thread to stop: it may have to wait for a processor */
	uint64_t deadline;
};

/* What has been in the way so far, for the message when time is up. */
struct obstacles {
	enum safety_verdict verdict;
	int err;
	bool busy;		/* a thread was there but not at a safe place */
};

/*
 * The call's frame, like a signal's, is to find room on the held thread's stack.
 * `certain`: the stack is to be the thread's own. (Those of Go are never used.)
 */
static bool has_room(const struct inject *in, bool certain)
{
	struct stack_place place;

	if (stack_find(in->pid, &in->thread.regs, &place))
		return false;
	if (place.own)
		return place.room >= OWN_STACK_ROOM + in->thread.xstate_size;
	return !certain && !image_has_go(in->image) && place.room >= OTHER_STACK_ROOM;
}

/* `certain`: not where something about the stack can only be guessed. */
static enum safety_verdict judge(const struct inject *in, bool certain)
{
	enum safety_verdict v = safety_judge(in->safety, &in->thread.regs);

	if (v == SAFE_UNLESS_HIDDEN && !certain)
		v = SAFE;
	return v == SAFE && !has_room(in, certain) ? UNSAFE_STACK : v;
}

/* 0: the thread is held at a safe place; -EAGAIN: it is not; else final. */
static int try_thread(struct inject *in, pid_t tid, const struct attempt *a,
		      struct obstacles *obstacles)
{
	enum safety_verdict v;
	int err = thread_hold(&in->thread, in->pid, tid, in->filter, a->hold_ms);

	if (err) {
		obstacles->err = err;
		return err == -EPERM || err == -ENOTSUP ? err : -EAGAIN;
	}
	v = judge(in, a->certain);
	if (v == SAFE) {
		in->holding = true;
		return 0;
	}
	thread_release(&in->thread);
	obstacles->verdict = v;
	obstacles->busy = true;
	return -EAGAIN;
}

static int try_threads(struct inject *in, const struct attempt *a, struct obstacles *obstacles)
{
	pid_t tids[512];
	size_t count = list_threads(in->pid, tids, sizeof(tids) / sizeof(tids[0]));
	int err = -EAGAIN;

	for (size_t i = 0; i < count && err == -EAGAIN && monotonic_ns() < a->deadline; i++)
		err = try_thread(in, tids[i], a, obstacles);
	return err;
}

static int explain_failure(const struct inject *in, int err, const struct obstacles *obstacles,
			   struct inject_why *why)
{
	struct inject_status s;

	if (err == -ENOTSUP)
		return inject_because_shadow_stack(in->pid, why);
	if (err != -EAGAIN)
		return inject_explain_refusal(in->pid, err, why);
	err = inject_check(in->pid, why);
	if (err)
		return err;
	if (inject_read_status(in->pid, &s))
		return inject_because(why, -ESRCH, "process %d has just ended", in->pid);
	if (s.state == 'D')
		return inject_because(why, -ETIMEDOUT, "process %d (%s) cannot be stopped: it is in "
				      "an uninterruptible sleep (state D), as while it waits for a "
				      "vfork child", in->pid, s.name);
	return inject_because(why, -ETIMEDOUT, "no thread of process %d (%s) was at a safe place in "
			      "time (the last one was %s): try again, or allow more time with "
			      "--attach-timeout", in->pid, s.name,
			      obstacles->busy ? safety_words(obstacles->verdict) : "not to be stopped");
}

/*
 * Goes round the threads until one is at a safe place. A stack that cannot be
 * followed to its end, or is none that the C library made, will do when half the
 * time has passed without a better one. No stack of a Go program can be followed
 * to its end: there one of the C library's making will do at once.
 */
int inject_hold(struct inject *in, int timeout_ms, struct inject_why *why)
{
	uint64_t start = monotonic_ns(), span = (uint64_t)timeout_ms * 1000000u;
	struct attempt a = { .hold_ms = HOLD_MIN_MS, .deadline = start + span };
	struct obstacles obstacles = { 0 };
	unsigned pause_ms = PAUSE_MIN_MS;
	int err;

	for (;;) {
		err = inject_look(in, why);
		if (err)
			return err;
		a.certain = !image_has_go(in->image) && monotonic_ns() - start < span / 2;
		err = try_threads(in, &a, &obstacles);
		if (err != -EAGAIN || monotonic_ns() > a.deadline)
			break;
		usleep(pause_ms * 1000u);
		if (pause_ms < PAUSE_MAX_MS)
			pause_ms *= 2;
		if (a.hold_ms < HOLD_MAX_MS)
			a.hold_ms *= 2;
	}
	return err ? explain_failure(in, err, &obstacles, why) : 0;
}
