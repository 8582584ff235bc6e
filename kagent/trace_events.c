// SPDX-License-Identifier: MIT
/* trace_events.c - see trace_events.h. */
#define _GNU_SOURCE
#include "kagent/trace_events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUP	"memleak_"	/* and the pid of the kagent whose events they are */
#define DEFINITIONS "uprobe_events"
#define TEXT_MAX (1u << 20)

struct trace_events {
	int dir;		/* tracefs */
	unsigned int count;
};

static int mount_fd(void)
{
	int context = fsopen("tracefs", FSOPEN_CLOEXEC), fd = -1, err;

	if (context < 0)
		return -errno;
	if (!fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	err = -errno;
	close(context);
	return fd < 0 ? err : fd;
}

/* Each line is a command. */
static int say(const struct trace_events *t, const char *line)
{
	int fd = openat(t->dir, DEFINITIONS, O_WRONLY | O_APPEND | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, line, strlen(line)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void forget(const struct trace_events *t, const char *event)
{
	char line[128];

	snprintf(line, sizeof(line), "-:%s\n", event);
	say(t, line);
}

/* "p:memleak_123/e1 path:offset" of a kagent that has gone. (One that is in use stays.) */
static void forget_left(const struct trace_events *t, char *line)
{
	char *event = strchr(line, ':'), *end;
	long pid;

	if (!event || strncmp(++event, GROUP, strlen(GROUP)))
		return;
	event[strcspn(event, " ")] = '\0';
	pid = strtol(event + strlen(GROUP), &end, 10);
	if (*end == '/' && pid > 0 && pid != getpid() && kill((pid_t)pid, 0) && errno == ESRCH)
		forget(t, event);
}

static void sweep(const struct trace_events *t)
{
	int fd = openat(t->dir, DEFINITIONS, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(TEXT_MAX), *line, *rest;
	size_t len = 0;
	ssize_t got;

	while (text && len < TEXT_MAX - 1 && (got = read(fd, text + len, TEXT_MAX - 1 - len)) > 0)
		len += (size_t)got;
	if (text) {
		text[len] = '\0';
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			forget_left(t, line);
	}
	free(text);
	if (fd >= 0)
		close(fd);
}

int trace_events_open(struct trace_events **out)
{
	struct trace_events *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return -ENOMEM;
	t->dir = mount_fd();
	if (t->dir < 0)
		err = t->dir;
	else if (faccessat(t->dir, DEFINITIONS, W_OK, 0))
		err = -errno;
	if (err) {
		if (t->dir >= 0)
			close(t->dir);
		free(t);
		return err;
	}
	sweep(t);
	*out = t;
	return 0;
}

static void event_name(unsigned int i, char name[64])
{
	snprintf(name, 64, GROUP "%d/e%u", (int)getpid(), i);
}

static int number_of(const struct trace_events *t, const char *event)
{
	char path[128], text[32] = "";
	int fd, err = -EIO;

	snprintf(path, sizeof(path), "events/%s/id", event);
	fd = openat(t->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) > 0)
		err = (int)strtol(text, NULL, 10);
	close(fd);
	return err;
}

/* (A path with spaces could not be said.) */
int trace_events_add(struct trace_events *t, const char *path, bool back,
		     const uint64_t *offsets, size_t count)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = file < 0 ? -errno : 0;
	char event[64], line[192];

	event_name(t->count, event);
	for (size_t i = 0; i < count && !err; i++) {
		snprintf(line, sizeof(line), "%c:%s /proc/self/fd/%d:0x%" PRIx64 "\n",
			 back ? 'r' : 'p', event, file, offsets[i]);
		err = say(t, line);
	}
	if (file >= 0)
		close(file);
	if (err) {
		forget(t, event);
		return err;
	}
	t->count++;
	return number_of(t, event);
}

void trace_events_free(struct trace_events *t)
{
	char event[64];

	if (!t)
		return;
	for (unsigned int i = 0; i < t->count; i++) {
		event_name(i, event);
		forget(t, event);
	}
	close(t->dir);
	free(t);
}

/*
 * It never counts anything, so that it costs nothing when threads are switched: what
 * matters is that it is there.
 */
int trace_event_open(int number, pid_t tid, bool inherited)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = (uint64_t)number,
		.sample_period = 1, .disabled = 1, .inherit = inherited,
	};
	long fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}
