// SPDX-License-Identifier: MIT
/* What /proc says of processes: hostile names, processes that have ended, threads. */
#define _GNU_SOURCE 1
#include "common/proc_stat.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t child_of_name(const char *name)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		setsid();
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void test_names(void **state)
{
	static const char *const names[] = { "plain", "a b", "x) R 1 1 1", "(((", ")", "two\nlines" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		pid_t pid = child_of_name(names[i]);
		struct proc_stat s;

		assert_int_equal(proc_stat_read(pid, &s), 0);
		assert_string_equal(s.name, names[i]);
		assert_int_equal(s.parent, getpid());
		assert_int_equal(s.session, pid);
		assert_false(proc_stat_is_over(&s));
		assert_true(proc_stat_runs(pid, s.start_ticks));
		assert_false(proc_stat_runs(pid, s.start_ticks + 1));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_false(proc_stat_runs(pid, s.start_ticks));
	}
}

static void test_zombie(void **state)
{
	siginfo_t info;
	struct proc_stat s;
	pid_t pid = child_of_name("ends");

	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_stat_read(pid, &s), 0);
	assert_int_equal(s.state, 'Z');
	assert_true(proc_stat_is_over(&s));
	assert_false(proc_stat_runs(pid, s.start_ticks));
	waitpid(pid, NULL, 0);
}

/* Nothing starts before its parent, or in the future. */
static void test_start(void **state)
{
	struct proc_stat parent, child;
	struct timespec up;
	pid_t pid = child_of_name("later");

	(void)state;
	assert_int_equal(proc_stat_read(getpid(), &parent), 0);
	assert_int_equal(proc_stat_read(pid, &child), 0);
	clock_gettime(CLOCK_BOOTTIME, &up);
	assert_true(parent.start_ticks > 0);
	assert_true(parent.start_ticks <= child.start_ticks);
	assert_true(child.start_ticks <= (uint64_t)(up.tv_sec + 1) * (uint64_t)sysconf(_SC_CLK_TCK));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_thread_and_nobody(void **state)
{
	struct proc_stat s = { .name = "untouched" };

	(void)state;
	assert_int_equal(proc_stat_read_thread(getpid(), getpid(), &s), 0);
	assert_int_equal(s.state, 'R');
	s = (struct proc_stat){ .name = "untouched" };
	assert_int_equal(proc_stat_read(INT32_MAX, &s), -ENOENT);
	assert_int_equal(proc_stat_read_thread(getpid(), INT32_MAX, &s), -ENOENT);
	assert_string_equal(s.name, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_zombie),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_thread_and_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
