// SPDX-License-Identifier: MIT
/* Finding sessions as they appear in a directory, and telling when they end. */
#define _GNU_SOURCE 1
#include "preload/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/session_writer.h"

static char dir[] = "/tmp/follow-test-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct follow *open_follow(const char *pattern)
{
	struct follow *f = NULL;

	assert_int_equal(follow_open(in_dir(pattern), &f), 0);
	assert_null(follow_first(f));
	return f;
}

/* A live session of this very process. */
static struct session_writer *live_session(const char *name)
{
	struct session_writer *w;
	struct session_header *h;
	char *text;
	size_t len;

	assert_int_equal(session_writer_create(in_dir(name), SESSION_PROCESS, SESSION_WRITE_LIVE, &w),
			 0);
	h = session_writer_header(w);
	h->pid = (uint32_t)getpid();
	assert_int_equal(io_read_file("/proc/self/stat", 4096, &text, &len), 0);
	assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
				"%*u %*u %*d %*d %*d %*d %*d %*d %lu", &h->start_ticks), 1);
	free(text);
	assert_int_equal(io_read_file("/proc/sys/kernel/random/boot_id", 4096, &text, &len), 0);
	text[strcspn(text, "\n")] = '\0';
	h->boot_id = session_writer_string(w, text);
	free(text);
	assert_int_equal(session_writer_sync(w), 0);
	return w;
}

static bool is_readable(const struct follow *f)
{
	struct pollfd fd = { .fd = follow_fd(f), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void a_session_runs_and_ends(void **state)
{
	struct follow *f = open_follow("%p.leak");
	struct session_writer *w;
	struct followed *one;

	(void)state;
	assert_false(is_readable(f));
	w = live_session("1.leak");
	assert_true(is_readable(f));
	assert_int_equal(follow_update(f), 0);
	one = follow_first(f);
	assert_non_null(one);
	assert_null(one->next);
	assert_int_equal(one->state, FOLLOWED_RUNNING);
	assert_int_equal(session_header(one->session)->pid, getpid());
	follow_refresh(one);
	assert_int_equal(one->state, FOLLOWED_RUNNING);

	assert_int_equal(session_writer_finish(w, SESSION_END_EXEC), 0);
	follow_refresh(one);
	assert_int_equal(one->state, FOLLOWED_ENDED);
	assert_int_equal(session_header(one->session)->end_reason, SESSION_END_EXEC);
	follow_done(one);
	assert_null(one->session);
	assert_int_equal(follow_update(f), 0);
	assert_null(one->next);
	follow_close(f);
}

static void a_killed_writer_has_ended(void **state)
{
	struct follow *f = open_follow("%p.leak");
	struct session_writer *w = live_session("1.leak");
	struct followed *one;

	(void)state;
	session_writer_header(w)->start_ticks++;	/* another process of that pid */
	assert_int_equal(session_writer_sync(w), 0);
	assert_int_equal(follow_update(f), 0);
	one = follow_first(f);
	assert_int_equal(one->state, FOLLOWED_RUNNING);
	follow_refresh(one);
	assert_int_equal(one->state, FOLLOWED_ENDED);
	session_writer_abort(w);
	follow_close(f);
}

static void a_session_without_header_is_waited_for(void **state)
{
	struct follow *f = open_follow("%p.leak");
	struct session_writer *w;
	int fd;

	(void)state;
	fd = open(in_dir("1.leak"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(follow_update(f), 0);
	assert_int_equal(follow_first(f)->state, FOLLOWED_STARTING);
	assert_true(follow_is_starting(f));
	unlink(in_dir("1.leak"));
	w = live_session("1.leak");
	assert_int_equal(follow_update(f), 0);
	assert_int_equal(follow_first(f)->state, FOLLOWED_RUNNING);
	assert_false(follow_is_starting(f));
	session_writer_abort(w);
	follow_close(f);
}

static void waiting_ends(void **state)
{
	struct follow *f = open_follow("%p.leak");
	int fd = open(in_dir("1.leak"), O_CREAT | O_WRONLY, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (int i = 0; i < 10000 && (i == 0 || follow_is_starting(f)); i++)
		assert_int_equal(follow_update(f), 0);
	assert_false(follow_is_starting(f));
	assert_int_equal(follow_first(f)->state, FOLLOWED_STARTING);
	follow_close(f);
}

static void other_files_are_left_alone(void **state)
{
	struct follow *f = open_follow("app.%p.leak");
	struct session_writer *w = live_session("other.leak");
	int fd = open(in_dir("app.7.leak"), O_CREAT | O_WRONLY, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "no session, but long enough to have a header", 44), 0);
	assert_int_equal(ftruncate(fd, 2 * SESSION_HEADER_SIZE), 0);
	close(fd);
	/* it might be a session in the making, for a while */
	for (int i = 0; i < 10000 && (i == 0 || follow_is_starting(f)); i++)
		assert_int_equal(follow_update(f), 0);
	assert_non_null(follow_first(f));
	assert_int_equal(follow_first(f)->state, FOLLOWED_DONE);
	assert_null(follow_first(f)->next);
	session_writer_abort(w);
	follow_close(f);
}

static void names_without_pid_get_numbers(void **state)
{
	struct follow *f = open_follow("app.leak");
	struct session_writer *w[3] = {
		live_session("app.leak"), live_session("app.1.leak"), live_session("app.leak.77"),
	};
	size_t count = 0;

	(void)state;
	assert_int_equal(follow_update(f), 0);
	for (struct followed *one = follow_first(f); one; one = one->next)
		count += one->state == FOLLOWED_RUNNING;
	assert_int_equal(count, 3);
	for (int i = 0; i < 3; i++)
		session_writer_abort(w[i]);
	follow_close(f);
}

static void no_directory(void **state)
{
	struct follow *f = NULL;

	(void)state;
	assert_int_equal(follow_open("/no/such/dir/%p.leak", &f), -ENOENT);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_runs_and_ends, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_killed_writer_has_ended, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_session_without_header_is_waited_for, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(waiting_ends, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(other_files_are_left_alone, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(names_without_pid_get_numbers, make_dir, remove_dir),
		cmocka_unit_test(no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
