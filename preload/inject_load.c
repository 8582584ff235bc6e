// SPDX-License-Identifier: MIT
/* inject_load.c - loading a library into the process; see inject.h */
#define _GNU_SOURCE 1
#include "inject_private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RTLD_INTERNAL	0x80000000u	/* glibc's __RTLD_DLOPEN, for __libc_dlopen_mode */

/* dlopen, or what stands for it in a process of glibc < 2.34 that never linked libdl. */
static uint64_t loader_function(const struct inject *in, uint64_t *mode)
{
	uint64_t fn = inject_function(in, "dlopen");

	*mode = RTLD_NOW;
	if (!fn) {
		fn = inject_libc_function(in, "__libc_dlopen_mode");
		*mode |= RTLD_INTERNAL;
	}
	return fn;
}

/* The loader's own words on why it did not load. */
static int explain_load(struct inject *in, const char *path, struct inject_why *why)
{
	uint64_t none[CALL_ARGS] = { 0 }, text = 0, fn = inject_function(in, "dlerror");
	char words[300] = "the dynamic loader refused it";
	int err = fn ? inject_call(in, fn, none, &text, why) : 0;

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
	err = inject_put_text(in, path, &args[0], why);
	if (!err)
		err = inject_call(in, fn, args, &result, why);
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
	int closed, err = inject_put_text(in, "libleak.so", &create[1], why);

	if (!err)
		err = inject_system_call(in, create, &fd, why);
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
	closed = in->holding ? inject_system_call(in, shut, &result, why) : 0;
	return err ? err : closed;
}

int inject_load(struct inject *in, const char *path, uint64_t *handle, struct inject_why *why)
{
	int err = inject_save_errno(in, why);

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
		fn = inject_libc_function(in, "__libc_dlsym");
	if (!fn)
		return inject_because(why, -ENOTSUP, "the C library of process %d does not offer "
				      "dlsym", in->pid);
	err = inject_put_text(in, name, &args[1], why);
	if (!err)
		err = inject_call(in, fn, args, &result, why);
	if (!err && !result)
		err = inject_because(why, -ENOENT, "the library in process %d has no function %s: "
				     "it is of another version", in->pid, name);
	if (!err)
		*addr = result;
	return err;
}
