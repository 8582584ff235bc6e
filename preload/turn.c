// SPDX-License-Identifier: MIT
/* turn.c - see turn.h */
#define _GNU_SOURCE 1
#include "turn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define PAUSE_MS	5

/* (flock() knows no time-out but through signals, which this leaves alone.) */
static int wait_for_lock(int fd, int timeout_ms)
{
	for (int left = timeout_ms; flock(fd, LOCK_EX | LOCK_NB); left -= PAUSE_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (left <= 0)
			return -ETIMEDOUT;
		usleep(PAUSE_MS * 1000);
	}
	return 0;
}

int turn_take(pid_t pid, int timeout_ms)
{
	char name[64];
	int fd, err;

	snprintf(name, sizeof(name), "/proc/%d", (int)pid);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = wait_for_lock(fd, timeout_ms);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
