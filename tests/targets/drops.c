// SPDX-License-Identifier: MIT
/*
 * drops HOW UID - leaks 4444 bytes, becomes the user UID, and leaks 5555 bytes:
 *	setuid setresuid setreuid seteuid	by that call
 *	back	seteuid() there, and back to root at the end
 *	refused	once more as that user, to root: which fails
 *	fork	in a child that was forked just before
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile held;

static void leak_before(void)
{
	held = malloc(4444);
}

static void leak_after(void)
{
	held = malloc(5555);
}

static int become(const char *how, uid_t uid)
{
	if (!strcmp(how, "setresuid"))
		return setresuid(uid, uid, uid);
	if (!strcmp(how, "setreuid"))
		return setreuid(uid, uid);
	if (!strcmp(how, "seteuid") || !strcmp(how, "back"))
		return seteuid(uid);
	return setuid(uid);
}

int main(int argc, char **argv)
{
	uid_t uid = argc > 2 ? (uid_t)atoi(argv[2]) : 0;
	const char *how = argv[1];
	int status = 0;

	if (argc < 3)
		return 2;
	leak_before();
	if (!strcmp(how, "fork") && fork())
		return wait(&status) < 0 || status;
	errno = 77;
	if (become(how, uid) || errno != 77) {
		perror(how);
		return 1;
	}
	leak_after();
	if (!strcmp(how, "back"))
		return seteuid(0) != 0;
	return !strcmp(how, "refused") ? setuid(0) != -1 || errno != EPERM : 0;
}
