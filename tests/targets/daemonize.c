// SPDX-License-Identifier: MIT
/*
 * daemonize FILE - becomes a daemon the old way: forks twice, closes every
 * descriptor, opens files of its own under the numbers that became free, works,
 * and writes one line to FILE that says what it found in its files.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <string.h>
#include <sys/stat.h>

enum { FILES = 40, LINE = 16 };

static void *leak_in_daemon(size_t n)
{
	return malloc(n);
}

static void close_everything(void)
{
	for (int fd = 0; fd < 1024; fd++)
		close(fd);
}

/* Opens FILES unnamed files; their numbers must be 0 and up, as natively. */
static int open_own(int *fds)
{
	for (int i = 0; i < FILES; i++) {
		fds[i] = (int)open("/tmp", O_TMPFILE | O_RDWR, 0600);
		if (fds[i] != i)
			return 0;
	}
	return 1;
}

static int write_and_work(int *fds)
{
	for (int i = 0; i < FILES; i++) {
		char line[LINE + 1];

		snprintf(line, sizeof(line), "this is file %2d\n", i);
		if (write(fds[i], line, LINE) != LINE)
			return 0;
		for (int j = 0; j < 2000; j++)
			free(leak_in_daemon((size_t)j));
		if (!leak_in_daemon(1 << 16))
			return 0;
	}
	return 1;
}

static int unharmed(int *fds)
{
	for (int i = 0; i < FILES; i++) {
		char line[LINE + 1], expected[LINE + 1];
		struct stat st;

		snprintf(expected, sizeof(expected), "this is file %2d\n", i);
		if (fstat(fds[i], &st) || st.st_size != LINE ||
		    pread(fds[i], line, LINE, 0) != LINE || memcmp(line, expected, LINE))
			return 0;
	}
	return 1;
}

static const char *daemon_main(void)
{
	int fds[FILES];

	close_everything();
	if (!open_own(fds))
		return "other numbers";
	if (!write_and_work(fds))
		return "work failed";
	return unharmed(fds) ? "unharmed" : "files were changed";
}

int main(int argc, char **argv)
{
	const char *result;
	char temp[4096];
	int out;

	if (argc < 2)
		return 2;
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	result = daemon_main();
	ledger_line(FILES, (long long)FILES << 16, "leak_in_daemon;write_and_work;daemon_main;main");
	/* The file appears whole: the test waits for it. */
	snprintf(temp, sizeof(temp), "%s.new", argv[1]);
	out = open(temp, O_WRONLY | O_CREAT, 0600);
	dprintf(out, "%s\n", result);
	close(out);
	exit(rename(temp, argv[1]) ? 1 : 0);
}
