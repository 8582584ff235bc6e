// SPDX-License-Identifier: MIT
/* joined.c - see joined.h */
#define _GNU_SOURCE 1
#include "joined.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/proc_stat.h"
#include "../common/session_format.h"

/* (A reader that is awaited is not to come: its turn would not be over; see turn.h.) */
static bool has_lost_reader(uint32_t reader)
{
	return reader == SESSION_READER_AWAITED || reader & FUTEX_OWNER_DIED;
}

static bool is_live_session(int fd, pid_t pid)
{
	struct session_header h;

	/* (a forked child still maps its parent's session) */
	return pread(fd, &h, sizeof(h), 0) == sizeof(h) &&
	       !memcmp(h.magic, SESSION_MAGIC, sizeof(h.magic)) && h.major == SESSION_MAJOR &&
	       h.kind == SESSION_PROCESS && h.state == SESSION_LIVE &&
	       !has_lost_reader(h.reader) && proc_stat_runs(pid, h.start_ticks);
}

/* A shared, writable mapping of a file's start; the link works for deleted files, too. */
static int open_mapping(pid_t pid, const char *line)
{
	uint64_t start, end, offset;
	char perms[5], name[128];
	struct stat st;
	int fd;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, &start, &end, perms, &offset) != 4 ||
	    strcmp(perms, "rw-s") || offset)
		return -ENOENT;
	snprintf(name, sizeof(name), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, start, end);
	if (stat(name, &st) || !S_ISREG(st.st_mode))	/* opening a device may do something */
		return -ENOENT;
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && !is_live_session(fd, pid)) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -ENOENT : fd;
}

int joined_session(pid_t pid)
{
	char name[64], *line = NULL;
	size_t room = 0;
	int fd = -ENOENT;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	maps = fopen(name, "re");
	while (maps && fd < 0 && getline(&line, &room, maps) > 0)
		fd = open_mapping(pid, line);
	free(line);
	if (maps)
		fclose(maps);
	return fd;
}
