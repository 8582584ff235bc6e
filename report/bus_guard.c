// SPDX-License-Identifier: MIT
/* bus_guard.c - zeros in place of what was cut off a mapped file. */
#define _GNU_SOURCE 1
#include "report/bus_guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static uintptr_t page_size;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	void *page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));
	int kept = errno;

	(void)context;
	if (info->si_code == BUS_ADRERR &&
	    mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == page) {
		errno = kept;
		return;
	}
	/* not ours: it happens again, or is sent again, and has its usual effect */
	signal(number, SIG_DFL);
	if (info->si_code <= 0)
		raise(number);
}

void bus_guard_install(void)
{
	struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	sigaction(SIGBUS, &action, NULL);
}
