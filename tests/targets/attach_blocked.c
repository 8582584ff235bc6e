// SPDX-License-Identifier: MIT
/*
 * attach_blocked KIND - sits in one system call and tells what it saw of it.
 *
 * Prints "ready", blocks for a known time or until a signal, and prints how the
 * call ended: "KIND ok MS" or "KIND errno NAME". With registers: it keeps a
 * pattern in the vector and callee-saved registers and verifies it all the time.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define BLOCK_MS 1500

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static int do_nanosleep(void)
{
	struct timespec ts = { BLOCK_MS / 1000, BLOCK_MS % 1000 * 1000000 };

	return nanosleep(&ts, NULL);
}

static int do_futex(void)
{
	struct timespec ts = { BLOCK_MS / 1000, BLOCK_MS % 1000 * 1000000 };
	int word = 0;

	syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
	return errno == ETIMEDOUT ? 0 : -1;
}

static int do_poll(void)
{
	return poll(NULL, 0, BLOCK_MS);
}

static int do_epoll(void)
{
	struct epoll_event ev;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return epoll_wait(fd, &ev, 1, BLOCK_MS);
}

static int do_semop(void)
{
	struct timespec ts = { BLOCK_MS / 1000, BLOCK_MS % 1000 * 1000000 };
	struct sembuf op = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	int r = semtimedop(id, &op, 1, &ts), saved = errno;

	semctl(id, 0, IPC_RMID);
	errno = saved;
	return r < 0 && saved == EAGAIN ? 0 : -1;
}

static int do_recv(void)
{
	struct timeval tv = { BLOCK_MS / 1000, BLOCK_MS % 1000 * 1000 };
	int sv[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ||
	    setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		return -1;
	return recv(sv[0], &c, 1, 0) < 0 && errno == EAGAIN ? 0 : -1;
}

/* Reads standard input to its end: a pipe or terminal of the test. */
static int do_read(void)
{
	char buf[64];
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0)
		;
	return (int)n;
}

static int do_join(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, (void *(*)(void *))(void *)do_nanosleep, NULL))
		return -1;
	return pthread_join(t, NULL);
}

/* The parent of a vfork child cannot be stopped until the child is gone. */
static int do_vfork(void)
{
	pid_t pid = vfork();
	int status;

	if (!pid) {
		struct timespec ts = { BLOCK_MS / 1000, BLOCK_MS % 1000 * 1000000 };

		syscall(SYS_nanosleep, &ts, NULL);
		_exit(0);
	}
	return pid < 0 || waitpid(pid, &status, 0) < 0 || status ? -1 : do_read();
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

/* A signal must interrupt pause() also when it comes while the thread is held. */
static int do_pause(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	printf("handler ready\n");
	fflush(stdout);
	pause();
	return errno == EINTR && handled == 1 ? 0 : -1;
}

/* Spins with values in registers that the compiler does not know of. */
static int do_registers(void)
{
	uint64_t end = now_ms() + BLOCK_MS, bad = 0;

	while (now_ms() < end && !bad)
		asm volatile("mov $0x1111222233334444, %%rbx\n\t"
			     "movq %%rbx, %%xmm7\n\t"
			     "movddup %%xmm7, %%xmm7\n\t"
			     "movdqa %%xmm7, %%xmm15\n\t"
			     "mov %%rbx, -64(%%rsp)\n\t"	/* the red zone */
			     "mov %%rbx, %%r12\n\t"
			     "mov $2000000, %%ecx\n\t"
			     "fldpi\n"
			     "1:\tmovq %%xmm15, %%rax\n\t"
			     "cmp %%rbx, %%rax\n\t"
			     "jne 2f\n\t"
			     "movhlps %%xmm7, %%xmm6\n\t"
			     "movq %%xmm6, %%rax\n\t"
			     "cmp %%r12, %%rax\n\t"
			     "jne 2f\n\t"
			     "cmp %%rbx, -64(%%rsp)\n\t"
			     "jne 2f\n\t"
			     "dec %%ecx\n\t"
			     "jnz 1b\n\t"
			     "fldpi\n\t"
			     "fucomip %%st(1), %%st\n\t"
			     "je 3f\n"
			     "2:\tinc %0\n"
			     "3:\tfstp %%st(0)\n\t"
			     : "+r"(bad)::"rax", "rbx", "rcx", "r12", "xmm6", "xmm7", "xmm15",
			       "memory", "cc", "st");
	return bad ? -1 : 0;
}

#define SMALL_STACK (16u << 10)
#define FILL 0x5a

static ucontext_t outside, inside;

static void read_a_line_inside(void)
{
	char line[64];

	printf("inside\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

/* Is what lies below the small stack as it was? */
static bool is_untouched(const char *heap)
{
	for (size_t i = 0; i < SMALL_STACK; i++)
		if (heap[i] != FILL)
			return false;
	return true;
}

static void allocate_inside(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	printf("inside\n");
	fflush(stdout);
	while (poll(&input, 1, 1) == 0)
		for (int i = 0; i < 10; i++)
			free(malloc(100));
	read_a_line_inside();
}

/* Does `what` on a small stack of its own, amid other data. 0: the data are as they were. */
static int run_inside(void (*what)(void))
{
	char *heap = mmap(NULL, 2 * SMALL_STACK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (heap == MAP_FAILED)
		return -1;
	memset(heap, FILL, SMALL_STACK);
	getcontext(&inside);
	inside.uc_stack.ss_sp = heap + SMALL_STACK;
	inside.uc_stack.ss_size = SMALL_STACK;
	inside.uc_link = &outside;
	makecontext(&inside, what, 0);
	if (swapcontext(&outside, &inside))
		return -1;
	printf("outside\n");
	fflush(stdout);
	return is_untouched(heap) ? 0 : -1;
}

/* Reads a line inside, and the rest on the thread's own stack. */
static int do_coroutine(void)
{
	return run_inside(read_a_line_inside) || do_read() ? -1 : 0;
}

/* Reads a line, allocates inside until there is another, and reads the rest. */
static int do_allocating(void)
{
	char line[64];

	setvbuf(stdin, NULL, _IONBF, 0);	/* poll() is to see the next line */
	if (!fgets(line, sizeof(line), stdin))
		return -1;
	return run_inside(allocate_inside) || do_read() ? -1 : 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} kinds[] = {
	{ "nanosleep", do_nanosleep }, { "futex", do_futex }, { "poll", do_poll },
	{ "epoll", do_epoll }, { "semop", do_semop }, { "recv", do_recv }, { "read", do_read },
	{ "join", do_join }, { "vfork", do_vfork }, { "pause", do_pause },
	{ "registers", do_registers }, { "coroutine", do_coroutine },
	{ "allocating", do_allocating },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint64_t start;
		int r;

		if (strcmp(argv[1], kinds[i].name))
			continue;
		printf("ready\n");
		fflush(stdout);
		start = now_ms();
		errno = 0;
		r = kinds[i].run();
		if (r < 0)
			printf("%s errno %s\n", argv[1], strerrorname_np(errno));
		else
			printf("%s ok %llu\n", argv[1], (unsigned long long)(now_ms() - start));
		return r < 0;
	}
	fprintf(stderr, "usage: attach_blocked KIND\n");
	return 2;
}
