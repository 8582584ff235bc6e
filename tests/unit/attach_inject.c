// SPDX-License-Identifier: MIT
/* Calls in a child process: where they may be made, what they return, and that they leave no trace. */
#define _GNU_SOURCE 1
#include "preload/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/inject_check.h"
#include "preload/inject_image.h"
#include "preload/inject_safe.h"
#include "preload/inject_thread.h"

/* Shared with the children, which have the same functions at the same addresses. */
static struct {
	atomic_int ready, called, rounds;
} *shared;

static void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void wait_for(atomic_int *word, int value)
{
	for (int i = 0; i < 5000 && atomic_load(word) < value; i++)
		nap_ms(1);
	assert_true(atomic_load(word) >= value);
}

static pid_t child(void (*run)(void))
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
		_exit(0);
	}
	wait_for(&shared->ready, 1);
	nap_ms(20);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);	/* it lives */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* ---- what children do ------------------------------------------------------- */

static void sleep_on(void)
{
	atomic_store(&shared->ready, 1);
	for (;;) {
		nap_ms(5);
		atomic_fetch_add(&shared->rounds, 1);
	}
}

static void stay(void)
{
	atomic_store(&shared->ready, 1);
	for (;;)
		pause();
}

static int stay_in_loader_list(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	stay();
	return 0;
}

static void list_objects(void)
{
	dl_iterate_phdr(stay_in_loader_list, NULL);
}

static void on_signal(int sig)
{
	(void)sig;
	stay();
}

static void handle_signal(void)
{
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
}

static int handle_signal_in_list(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	handle_signal();
	return 0;
}

static void handle_signal_in_loader(void)
{
	dl_iterate_phdr(handle_signal_in_list, NULL);
}

static void leave(void)
{
	atexit(stay);
	exit(0);
}

/* ---- functions that are called in them --------------------------------------- */

static uint64_t length_of(const char *text)
{
	errno = EDOM;
	atomic_fetch_add(&shared->called, 1);
	return strlen(text) * 1000000007ull;
}

__attribute__((no_sanitize("address", "undefined"))) static uint64_t fault(const char *text)
{
	uint64_t *volatile nowhere = NULL;

	(void)text;
	return *nowhere;
}

static uint64_t be_slow(const char *text)
{
	(void)text;
	atomic_fetch_add(&shared->called, 1);
	nap_ms(300);
	atomic_fetch_add(&shared->called, 1);
	return 1;
}

static uint64_t address(uint64_t (*function)(const char *))
{
	return (uint64_t)(uintptr_t)function;
}

/* ---- tests ---------------------------------------------------------------------- */

static enum safety_verdict verdict_of(pid_t pid)
{
	enum safety_verdict verdict;
	struct safety *safety;
	struct held_thread t;
	struct image *image;
	char name[64];
	int mem;

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	mem = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(mem >= 0);
	assert_int_equal(image_load(&image, pid, mem), 0);
	assert_int_equal(safety_new(&safety, image, mem), 0);
	assert_int_equal(thread_hold(&t, pid, pid, false, 1000), 0);
	verdict = safety_judge(safety, &t.regs);
	thread_release(&t);
	safety_free(safety);
	image_free(image);
	close(mem);
	return verdict;
}

static void judges_by_the_stack(void **state)
{
	static const struct {
		void (*run)(void);
		enum safety_verdict wanted;
	} cases[] = {
		{ stay, SAFE }, { sleep_on, SAFE }, { list_objects, UNSAFE_LIBC },
		{ handle_signal, SAFE }, { handle_signal_in_loader, UNSAFE_LIBC },
		{ leave, UNSAFE_LIBC },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = child(cases[i].run);

		assert_int_equal(verdict_of(pid), cases[i].wanted);
		end(pid);
	}
}

static void calls_and_returns(void **state)
{
	pid_t pid = child(sleep_on);
	struct inject_why why = { "" };
	struct inject *in;
	uint64_t result = 0;
	int rounds;

	(void)state;
	assert_int_equal(inject_open(&in, pid, 5000, &why), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(inject_call_text(in, address(length_of), "seven c", &result, &why), 0);
		assert_int_equal(result, 7 * 1000000007ull);
		assert_int_equal(shared->called, i);
	}
	rounds = shared->rounds;
	assert_true(inject_close(in) > 0);
	wait_for(&shared->rounds, rounds + 3);	/* it goes on sleeping */
	end(pid);
}

static void survives_a_fault(void **state)
{
	pid_t pid = child(sleep_on);
	struct inject_why why = { "" };
	struct inject *in;
	uint64_t result = 99;
	int rounds;

	(void)state;
	assert_int_equal(inject_open(&in, pid, 5000, &why), 0);
	assert_int_equal(inject_call_text(in, address(fault), NULL, &result, &why), -EFAULT);
	assert_int_equal(result, 99);
	rounds = shared->rounds;
	inject_close(in);
	wait_for(&shared->rounds, rounds + 3);
	end(pid);
}

/* The tracer is killed while the call runs: the thread finishes it and is itself again. */
static void outlives_its_tracer(void **state)
{
	pid_t pid = child(sleep_on), tracer = fork();
	int rounds;

	(void)state;
	if (!tracer) {
		struct inject_why why;
		struct inject *in;
		uint64_t result;

		if (!inject_open(&in, pid, 5000, &why))
			inject_call_text(in, address(be_slow), NULL, &result, &why);
		_exit(0);
	}
	wait_for(&shared->called, 1);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	wait_for(&shared->called, 2);
	rounds = shared->rounds;
	wait_for(&shared->rounds, rounds + 3);
	end(pid);
}

static void says_why_not(void **state)
{
	struct inject_why why = { "" };
	struct inject *in = NULL;

	(void)state;
	assert_int_equal(inject_open(&in, getpid(), 100, &why), -ENOTSUP);
	assert_non_null(strstr(why.text, "memleak itself"));
	assert_int_equal(inject_open(&in, 4190000, 100, &why), -ESRCH);
	assert_null(in);
}

static bool is_in_state(pid_t pid, char state)
{
	struct inject_status s;

	return !inject_read_status(pid, &s) && s.state == state;
}

/* A thread that stopped when nobody waited for it any more is found stopped the next time. */
static void takes_who_stopped_late(void **state)
{
	pid_t pid = child(stay);
	struct inject_why why = { "" };
	struct inject *in = NULL;

	(void)state;
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, 0), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	while (!is_in_state(pid, 't'))
		usleep(1000);
	assert_int_equal(inject_open(&in, pid, 5000, &why), 0);
	inject_close(in);
	end(pid);
}

/* Lines as the kernel writes them (fs/proc/array.c, arch/x86/kernel/cpu/proc.c). */
static bool has_shadow_stack(const char *features)
{
	struct inject_status status = { .tgid = 0 };
	char text[400];
	FILE *f;

	snprintf(text, sizeof(text), "Name:\tcat shstk\nState:\tS (sleeping)\nTgid:\t77\nPPid:\t1\n"
		 "TracerPid:\t0\nUid:\t5\t6\t6\t6\nGid:\t7\t8\t9\t9\nVmSize:\t 100 kB\n"
		 "CapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000080000\n"
		 "Seccomp:\t2\n%s", features);
	f = fmemopen(text, strlen(text), "r");
	assert_non_null(f);
	assert_int_equal(inject_parse_status(f, &status), 0);
	fclose(f);
	assert_string_equal(status.name, "cat shstk");
	assert_int_equal(status.tgid, 77);
	assert_int_equal(status.ppid, 1);
	assert_int_equal(status.uids[1], 6);
	assert_int_equal(status.gids[2], 9);
	assert_int_equal(status.cap_prm, 0x1ffffffffff);
	assert_int_equal(status.cap_eff, 0x80000);
	assert_int_equal(status.seccomp, 2);
	assert_int_equal(status.state, 'S');
	assert_true(status.user_memory);
	return status.shadow_stack;
}

static void knows_a_shadow_stack(void **state)
{
	struct inject_status status;
	char nothing[] = "Name:\tx\n";
	FILE *f = fmemopen(nothing, strlen(nothing), "r");

	(void)state;
	assert_true(has_shadow_stack("x86_Thread_features:\tshstk \n"
				     "x86_Thread_features_locked:\tshstk wrss \n"));
	assert_true(has_shadow_stack("x86_Thread_features:\twrss shstk \n"));
	assert_false(has_shadow_stack("x86_Thread_features:\t\nx86_Thread_features_locked:\tshstk \n"));
	assert_false(has_shadow_stack(""));
	assert_int_equal(inject_parse_status(f, &status), -ESRCH);
	fclose(f);
}

static void gives_up_in_time(void **state)
{
	pid_t pid = child(list_objects);
	struct inject_why why = { "" };
	struct inject *in = NULL;

	(void)state;
	assert_int_equal(inject_open(&in, pid, 100, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "safe place"));
	assert_null(in);
	end(pid);
}

static int may_trace(void)
{
	pid_t pid = child(stay);
	bool may = !ptrace(PTRACE_SEIZE, pid, NULL, 0);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	return may;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_by_the_stack), cmocka_unit_test(calls_and_returns),
		cmocka_unit_test(survives_a_fault), cmocka_unit_test(outlives_its_tracer),
		cmocka_unit_test(says_why_not), cmocka_unit_test(knows_a_shadow_stack),
		cmocka_unit_test(takes_who_stopped_late),
		cmocka_unit_test(gives_up_in_time),
	};
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !may_trace())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
