// SPDX-License-Identifier: MIT
/* inject.c - see inject.h */
#define _GNU_SOURCE 1
#include "inject_private.h"

#include "inject_check.h"
#include "inject_refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_SIZE		(512u << 10)
#define SCRATCH_SIZE		(16u << 10)	/* at its top: texts passed to calls */
#define PAGE			4096u
#define CALL_MIN_MS		10000	/* it goes on without us, too: to wait costs it nothing */

/* ---- calls ---------------------------------------------------------------- */

static int call_as(struct inject *in, struct call_spec *spec, uint64_t *result,
		   struct inject_why *why)
{
	int err;

	spec->stack_top = in->stack ? in->stack + in->stack_size - SCRATCH_SIZE : 0;
	err = thread_call(&in->thread, in->mem, &in->ret, spec, in->call_ms, result);
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

int inject_call(struct inject *in, uint64_t function, const uint64_t args[CALL_ARGS],
		uint64_t *result, struct inject_why *why)
{
	struct call_spec spec = { .function = function };

	memcpy(spec.args, args, sizeof(spec.args));
	return call_as(in, &spec, result, why);
}

uint64_t inject_libc_function(const struct inject *in, const char *name)
{
	return image_function(safety_libc(in->safety), name);
}

int inject_system_call(struct inject *in, const uint64_t args[CALL_ARGS], uint64_t *result,
		       struct inject_why *why)
{
	uint64_t fn = inject_libc_function(in, "syscall");

	return fn ? inject_call(in, fn, args, result, why) :
		inject_because(why, -ENOTSUP, "the C library of process %d has no syscall()", in->pid);
}

int inject_save_errno(struct inject *in, struct inject_why *why)
{
	uint64_t none[CALL_ARGS] = { 0 }, fn = inject_libc_function(in, "__errno_location");
	int err;

	if (!fn)
		return 0;
	err = inject_call(in, fn, none, &in->errno_addr, why);
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
	int err = inject_system_call(in, args, &addr, why);

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
	inject_system_call(in, args, &result, &why);
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
		err = inject_look(in, why);
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
	in->call_ms = timeout_ms > CALL_MIN_MS ? timeout_ms : CALL_MIN_MS;
	in->mem = -1;
	err = prepare(in, why);
	if (!err)
		err = inject_hold(in, timeout_ms, why);
	if (err) {
		inject_close(in);
		return err;
	}
	*out = in;
	return 0;
}

int inject_put_text(struct inject *in, const char *text, uint64_t *addr, struct inject_why *why)
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
	int err = 0;

	if (text)
		err = inject_put_text(in, text, &spec.args[0], why);
	else if (!in->stack)
		err = map_stack(in, why);
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

bool inject_in_musl(const struct inject *in)
{
	return !inject_libc_function(in, "gnu_get_libc_version");
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
