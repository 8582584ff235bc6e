// SPDX-License-Identifier: MIT
/*
 * undisturbed.cc - what malloc and operator new leave alone: an error that dlerror()
 * still has to tell, a pending cancellation, the page between two stacks.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static void *volatile kept;

static void keep_error()
{
	dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere");
	kept = new (std::nothrow) char[10];
	printf("error kept: %d\n", dlerror() != nullptr);
}

/* The first malloc of a thread that is about to be cancelled. */
static void *allocate_cancelled(void *)
{
	pthread_cancel(pthread_self());
	kept = malloc(10);
	puts("malloc returned");
	fflush(stdout);
	pthread_testcancel();
	return nullptr;
}

static void keep_cancellation()
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, nullptr, allocate_cancelled, nullptr);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

#if defined(__x86_64__)
static const size_t page = 4096, stack_size = 64 << 10;
static ucontext_t back, upper, lower;
static char *guard;
static unsigned char *code;

static void on_upper_stack()
{
	kept = malloc(11);
}

/* Calls malloc(13) from code that no unwind information covers, with rbp = @bp. */
static void on_lower_stack()
{
	auto call = reinterpret_cast<void (*)(uintptr_t, void *(*)(size_t))>(code);

	call(reinterpret_cast<uintptr_t>(guard) + 64, malloc);
}

static void run(ucontext_t *c, char *stack, void (*fn)())
{
	getcontext(c);
	c->uc_stack.ss_sp = stack;
	c->uc_stack.ss_size = stack_size;
	c->uc_link = &back;
	makecontext(c, fn, 0);
	swapcontext(&back, c);
}

static void guess_into_guard_page()
{
	/* push %rbp; mov %rdi,%rbp; mov $13,%edi; call *%rsi; pop %rbp; ret */
	static const unsigned char text[] = { 0x55, 0x48, 0x89, 0xfd, 0xbf, 13, 0, 0, 0,
					      0xff, 0xd6, 0x5d, 0xc3 };
	char *stacks = static_cast<char *>(mmap(nullptr, 2 * stack_size + page, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	guard = stacks + stack_size;
	mprotect(guard, page, PROT_NONE);
	code = static_cast<unsigned char *>(mmap(nullptr, page, PROT_READ | PROT_WRITE | PROT_EXEC,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memcpy(code, text, sizeof(text));
	run(&upper, guard + page, on_upper_stack);
	run(&lower, stacks, on_lower_stack);
}
#else
static void guess_into_guard_page()
{
}
#endif

int main()
{
	keep_error();
	keep_cancellation();
	guess_into_guard_page();
	puts("done");
	return 0;
}
