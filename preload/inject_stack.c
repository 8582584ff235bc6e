// SPDX-License-Identifier: MIT
/* inject_stack.c - see inject_stack.h */
#define _GNU_SOURCE 1
#include "inject_stack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_line(const char *line, const struct user_regs_struct *regs,
		      struct stack_place *out)
{
	uint64_t start, end;
	char perms[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, perms) != 3 ||
	    regs->rsp < start || regs->rsp >= end || perms[1] != 'w')
		return false;
	out->room = regs->rsp - start;
	out->own = strstr(line, " [stack]") || (regs->fs_base > regs->rsp && regs->fs_base < end);
	return true;
}

int stack_find(pid_t pid, const struct user_regs_struct *regs, struct stack_place *out)
{
	char name[64], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	maps = fopen(name, "re");
	if (!maps)
		return -errno;
	while (!found && getline(&line, &room, maps) > 0)
		found = take_line(line, regs, out);
	free(line);
	fclose(maps);
	return found ? 0 : -EFAULT;
}
