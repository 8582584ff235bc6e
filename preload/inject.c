// SPDX-License-Identifier: MIT
/* inject.c - see inject.h */
#define _GNU_SOURCE 1
#include "inject.h"

#include "inject_call.h"
#include "inject_check.h"
#include "inject_image.h"
#include "inject_safe.h"
#include "inject_stack.h"
#include "inject_thread.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_SIZE		(512u << 10)
#define SCRATCH_SIZE		(16u << 10)	/* at its top: texts passed to calls */
#define PAGE			4096u
#define CALL_TIMEOUT_MS		10000
#define HOLD_TIMEOUT_MS		50
#define OWN_STACK_ROOM		(16u << 10)	/* below a thread's stack pointer, besides its xstate */
#define OTHER_STACK_ROOM	(64u << 10)
#define PAUSE_MIN_MS		1
#define PAUSE_MAX_MS		64
#define RTLD_INTERNAL		0x80000000u	/* glibc's __RTLD_DLOPEN, for __libc_dlopen_mode */

struct inject {
	pid_t pid;
	int mem;
	bool filter;			/* the process has a seccomp filter */
	struct image *image;
	struct safety *safety;
	struct call_return ret;
	struct held_thread thread;
	bool holding;
	uint64_t stack, stack_size;	/* for the calls, 0: none yet */
	bool borrowed;			/* ... is not to be unmapped */
	uint64_t errno_addr;
	int32_t errno_value;
	uint64_t held_ns;
};

/* ---- finding a thread ---------------------------------------------------- */

/* Looks at the process anew: libraries come and go. */
static int look(struct inject *in, struct inject_why *why)
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

static char thread_state(pid_t pid, pid_t tid)
{
	char name[64], text[512], *end;
	char state = 'X';
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	f = fopen(name, "re");
	if (f && fgets(text, sizeof(text), f) && (end = strrchr(text, ')')) && end[1])
		state = end[2];
	if (f)
		fclose(f);
	return state;
}

/* Lists the threads that can be stopped, those that sleep first. Returns how many. */
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

		if (state != 'S' && state != 'R')
			continue;
		tids[count++] = tid;
		if (state == 'S') {
			tids[count - 1] = tids[sleeping];
			tids[sleeping++] = tid;
		}
	}
	if (d)
		closedir(d);
	return count;
}

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
static int try_thread(struct inject *in, pid_t tid, bool certain, struct obstacles *obstacles)
{
	enum safety_verdict v;
	int err = thread_hold(&in->thread, in->pid, tid, in->filter, HOLD_TIMEOUT_MS);

	if (err) {
		obstacles->err = err;
		return err == -EPERM || err == -ENOTSUP ? err : -EAGAIN;
	}
	v = judge(in, certain);
	if (v == SAFE) {
		in->holding = true;
		return 0;
	}
	thread_release(&in->thread);
	obstacles->verdict = v;
	obstacles->busy = true;
	return -EAGAIN;
}

static int try_threads(struct inject *in, bool certain, uint64_t deadline,
		       struct obstacles *obstacles)
{
	pid_t tids[512];
	size_t count = list_threads(in->pid, tids, sizeof(tids) / sizeof(tids[0]));
	int err = -EAGAIN;

	for (size_t i = 0; i < count && err == -EAGAIN && monotonic_ns() < deadline; i++)
		err = try_thread(in, tids[i], certain, obstacles);
	return err;
}

static int explain_failure(const struct inject *in, int err, const struct obstacles *obstacles,
			   struct inject_why *why)
{
	struct inject_status s;

	if (err == -ENOTSUP)
		return inject_because(why, err, "process %d runs with a shadow stack (CET), in "
				      "which memleak cannot call functions yet", in->pid);
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
 * time has passed without a better one.
 */
static int hold_any(struct inject *in, int timeout_ms, struct inject_why *why)
{
	uint64_t start = monotonic_ns(), span = (uint64_t)timeout_ms * 1000000u;
	struct obstacles obstacles = { 0 };
	unsigned pause_ms = PAUSE_MIN_MS;
	int err;

	for (;;) {
		bool certain = monotonic_ns() - start < span / 2;

		err = look(in, why);
		if (err)
			return err;
		err = try_threads(in, certain, start + span, &obstacles);
		if (err != -EAGAIN || monotonic_ns() - start > span)
			break;
		usleep(pause_ms * 1000u);
		if (pause_ms < PAUSE_MAX_MS)
			pause_ms *= 2;
	}
	return err ? explain_failure(in, err, &obstacles, why) : 0;
}

/* ---- calls ---------------------------------------------------------------- */

static int call_as(struct inject *in, struct call_spec *spec, uint64_t *result,
		   struct inject_why *why)
{
	int err;

	spec->stack_top = in->stack ? in->stack + in->stack_size - SCRATCH_SIZE : 0;
	err = thread_call(&in->thread, in->mem, &in->ret, spec, CALL_TIMEOUT_MS, result);

	if (err == -ETIMEDOUT || err == -ESRCH) {
		in->held_ns = monotonic_ns() - in->thread.since_ns;
		in->holding = false;
	}
	switch (err) {
	case 0:
		return 0;
	case -ETIMEDOUT:
		return inject_because(why, err, "process %d did not finish loading in time: another "
				      "of its threads may hold the loader's lock. It goes on by "
				      "itself; try again later", in->pid);
	case -ESRCH:
		return inject_because(why, err, "process %d ended, or became another program, while "
				      "memleak was attaching", in->pid);
	case -EFAULT:
		return inject_because(why, err, "a call in process %d faulted; it was put back where "
				      "it was", in->pid);
	}
	return inject_because(why, err, "cannot make process %d call a function: %s", in->pid,
			      strerror(-err));
}

static int call(struct inject *in, uint64_t function, const uint64_t args[CALL_ARGS],
		uint64_t *result, struct inject_why *why)
{
	struct call_spec spec = { .function = function };

	memcpy(spec.args, args, sizeof(spec.args));
	return call_as(in, &spec, result, why);
}

static uint64_t libc_function(const struct inject *in, const char *name)
{
	return image_function(safety_libc(in->safety), name);
}

/*
 * By syscall(3): the C library's functions of these names may be hooked, and
 * old ones lack some. A result of UINT64_MAX is a failure.
 */
static int system_call(struct inject *in, const uint64_t args[CALL_ARGS], uint64_t *result,
		       struct inject_why *why)
{
	uint64_t fn = libc_function(in, "syscall");

	return fn ? call(in, fn, args, result, why) :
		inject_because(why, -ENOTSUP, "the C library of process %d has no syscall()", in->pid);
}

/* The loader changes it; functions called otherwise are to leave it alone. */
static int save_errno(struct inject *in, struct inject_why *why)
{
	uint64_t none[CALL_ARGS] = { 0 }, fn = libc_function(in, "__errno_location");
	int err;

	if (!fn)
		return 0;
	err = call(in, fn, none, &in->errno_addr, why);
	if (!err && image_read(in->mem, in->errno_addr, &in->errno_value, sizeof(in->errno_value)))
		in->errno_addr = 0;
	return err;
}

static int map_stack(struct inject *in, struct inject_why *why)
{
	const uint64_t args[CALL_ARGS] = { SYS_mmap, 0, STACK_SIZE, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					   UINT64_MAX };
	uint64_t addr;
	int err = system_call(in, args, &addr, why);

	if (err)
		return err;
	if (addr == UINT64_MAX)
		return inject_because(why, -ENOMEM, "process %d cannot map memory (a limit such as "
				      "ulimit -v, or a seccomp filter)", in->pid);
	in->stack = addr;
	in->stack_size = STACK_SIZE;
	return 0;
}

/* The word before a borrowed stack says whose it is. */
static int name_user(struct inject *in, uint64_t user)
{
	return image_write(in->mem, in->stack - sizeof(user), &user, sizeof(user));
}

static void drop_stack(struct inject *in)
{
	const uint64_t args[CALL_ARGS] = { SYS_munmap, in->stack, in->stack_size };
	struct inject_why why;
	uint64_t result;

	if (in->borrowed) {
		name_user(in, 0);
		return;
	}
	in->stack = 0;		/* the call itself runs on the thread's own */
	system_call(in, args, &result, &why);
}

void inject_borrow_stack(struct inject *in, const char *name, size_t size)
{
	uint64_t at = inject_function(in, name), user;

	if (!at || in->stack || image_read(in->mem, at, &user, sizeof(user)) || user)
		return;
	in->stack = at + sizeof(user);
	in->stack_size = size - sizeof(user);
	in->borrowed = !name_user(in, (uint64_t)in->thread.tid);
	if (!in->borrowed)
		in->stack = 0;
}

uint64_t inject_close(struct inject *in)
{
	uint64_t held;

	if (in->holding && in->stack)
		drop_stack(in);
	if (in->holding && in->errno_addr)
		image_write(in->mem, in->errno_addr, &in->errno_value, sizeof(in->errno_value));
	if (in->holding) {
		in->held_ns = monotonic_ns() - in->thread.since_ns;
		thread_release(&in->thread);
	}
	held = in->held_ns;
	safety_free(in->safety);
	image_free(in->image);
	if (in->mem >= 0)
		close(in->mem);
	free(in);
	return held;
}

static int open_memory(struct inject *in, struct inject_why *why)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)in->pid);
	in->mem = open(name, O_RDWR | O_CLOEXEC);
	return in->mem < 0 ? inject_explain_refusal(in->pid, -errno, why) : 0;
}

/* Everything that can be done while the process still runs. */
static int prepare(struct inject *in, struct inject_why *why)
{
	struct inject_status s;
	int err = inject_check(in->pid, why);

	if (!err && !inject_read_status(in->pid, &s))
		in->filter = s.seccomp == 2;
	if (!err)
		err = open_memory(in, why);
	if (!err)
		err = look(in, why);
	if (err)
		return err;
	err = call_find_return(&in->ret, in->image, safety_libc(in->safety), in->mem);
	return err ? inject_because(why, err, "process %d has no code that memleak could return "
				    "through: its C library is of an unknown kind", in->pid) : 0;
}

int inject_open(struct inject **out, pid_t pid, int timeout_ms, struct inject_why *why)
{
	struct inject *in = calloc(1, sizeof(*in));
	int err;

	if (!in)
		return inject_because(why, -ENOMEM, "out of memory");
	in->pid = pid;
	in->mem = -1;
	err = prepare(in, why);
	if (!err)
		err = hold_any(in, timeout_ms, why);
	if (err) {
		inject_close(in);
		return err;
	}
	*out = in;
	return 0;
}

/* Copies text to the scratch space; *addr is where it lies. */
static int put_text(struct inject *in, const char *text, uint64_t *addr, struct inject_why *why)
{
	size_t len = strlen(text) + 1;
	int err = in->stack ? 0 : map_stack(in, why);
	uint64_t at = in->stack + in->stack_size - SCRATCH_SIZE;

	if (err)
		return err;
	err = len <= SCRATCH_SIZE ? image_write(in->mem, at, text, len) : -E2BIG;
	if (err)
		return inject_because(why, err, "cannot write to process %d: %s", in->pid,
				      strerror(-err));
	*addr = at;
	return 0;
}

int inject_call_text(struct inject *in, uint64_t function, const char *text, uint64_t *result,
		     struct inject_why *why)
{
	struct call_spec spec = { .function = function, .tells = true };
	int err = text ? put_text(in, text, &spec.args[0], why) : in->stack ? 0 : map_stack(in, why);

	return err ? err : call_as(in, &spec, result, why);
}

int inject_read_text(const struct inject *in, uint64_t addr, char *text, size_t size)
{
	size_t done = 0;

	/* as far as the end of each page: the next one may be none */
	while (done + 1 < size) {
		size_t len = PAGE - (addr + done) % PAGE;
		int err;

		if (len > size - 1 - done)
			len = size - 1 - done;
		err = image_read(in->mem, addr + done, text + done, len);
		if (err)
			return err;
		if (memchr(text + done, '\0', len))
			return 0;
		done += len;
	}
	text[done] = '\0';
	return 0;
}

uint64_t inject_function(const struct inject *in, const char *name)
{
	const struct image_object *o;

	for (size_t n = 0; (o = image_object(in->image, n)); n++) {
		uint64_t addr = image_function(o, name);

		if (addr)
			return addr;
	}
	return 0;
}

/* ---- loading --------------------------------------------------------------- */

/* dlopen, or what stands for it in a process of glibc < 2.34 that never linked libdl. */
static uint64_t loader_function(const struct inject *in, uint64_t *mode)
{
	uint64_t fn = inject_function(in, "dlopen");

	*mode = RTLD_NOW;
	if (!fn) {
		fn = libc_function(in, "__libc_dlopen_mode");
		*mode |= RTLD_INTERNAL;
	}
	return fn;
}

/* The loader's own words on why it did not load. */
static int explain_load(struct inject *in, const char *path, struct inject_why *why)
{
	uint64_t none[CALL_ARGS] = { 0 }, text = 0, fn = inject_function(in, "dlerror");
	char words[300] = "the dynamic loader refused it";
	int err = fn ? call(in, fn, none, &text, why) : 0;

	if (err)
		return err;
	if (text)
		inject_read_text(in, text, words, sizeof(words));
	return inject_because(why, -ELIBACC, "process %d cannot load %s: %s", in->pid, path, words);
}

static int load_path(struct inject *in, const char *path, const char *shown, uint64_t *handle,
		     struct inject_why *why)
{
	uint64_t args[CALL_ARGS] = { 0 }, result = 0, fn = loader_function(in, &args[1]);
	int err;

	if (!fn)
		return inject_because(why, -ENOTSUP, "the C library of process %d does not offer "
				      "dlopen", in->pid);
	err = put_text(in, path, &args[0], why);
	if (!err)
		err = call(in, fn, args, &result, why);
	if (!err && !result)
		err = explain_load(in, shown, why);
	if (!err)
		*handle = result;
	return err;
}

/* Does the process find the same file under this name? */
static bool sees_same_file(const struct inject *in, const char *path)
{
	char name[4200];
	struct stat a, b;

	snprintf(name, sizeof(name), "/proc/%d/root%s", (int)in->pid, path);
	return !stat(path, &a) && !stat(name, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int copy_to_fd(struct inject *in, const char *path, uint64_t fd, struct inject_why *why)
{
	char name[64];
	off_t offset = 0;
	struct stat st;
	int from, to, err = 0;

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)in->pid, (int)fd);
	from = open(path, O_RDONLY | O_CLOEXEC);
	to = open(name, O_WRONLY | O_CLOEXEC);
	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		err = -errno;
	while (!err && offset < st.st_size) {
		ssize_t n = sendfile(to, from, &offset, (size_t)(st.st_size - offset));

		if (n <= 0)
			err = n < 0 ? -errno : -EIO;
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return err ? inject_because(why, err, "cannot copy %s to process %d: %s", path, in->pid,
				    strerror(-err)) : 0;
}

static int load_copy(struct inject *in, const char *path, uint64_t *handle,
		     struct inject_why *why)
{
	uint64_t create[CALL_ARGS] = { SYS_memfd_create, 0, MFD_CLOEXEC };
	uint64_t shut[CALL_ARGS] = { SYS_close };
	uint64_t fd = 0, result;
	char name[64];
	int closed, err = put_text(in, "libleak.so", &create[1], why);

	if (!err)
		err = system_call(in, create, &fd, why);
	if (!err && (int)fd < 0)
		err = inject_because(why, -EACCES, "process %d does not see %s and may not create a "
				     "memory file for it", in->pid, path);
	if (err)
		return err;
	err = copy_to_fd(in, path, fd, why);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", (int)fd);
	if (!err)
		err = load_path(in, name, path, handle, why);
	shut[1] = fd;
	closed = in->holding ? system_call(in, shut, &result, why) : 0;
	return err ? err : closed;
}

int inject_load(struct inject *in, const char *path, uint64_t *handle, struct inject_why *why)
{
	int err = save_errno(in, why);

	if (err)
		return err;
	err = -ENOENT;
	if (sees_same_file(in, path))
		err = load_path(in, path, path, handle, why);
	if (err && in->holding)
		err = load_copy(in, path, handle, why);
	return err;
}

int inject_symbol(struct inject *in, uint64_t handle, const char *name, uint64_t *addr,
		  struct inject_why *why)
{
	uint64_t args[CALL_ARGS] = { handle }, result, fn = inject_function(in, "dlsym");
	int err;

	if (!fn)
		fn = libc_function(in, "__libc_dlsym");
	if (!fn)
		return inject_because(why, -ENOTSUP, "the C library of process %d does not offer "
				      "dlsym", in->pid);
	err = put_text(in, name, &args[1], why);
	if (!err)
		err = call(in, fn, args, &result, why);
	if (!err && !result)
		err = inject_because(why, -ENOENT, "the library in process %d has no function %s: "
				     "it is of another version", in->pid, name);
	if (!err)
		*addr = result;
	return err;
}
