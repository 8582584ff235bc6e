// SPDX-License-Identifier: MIT
/* clock.c - see clock.h. */
#include "clock.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "elf_object.h"
#include "sys.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif
#endif

bool clock_has_tsc;
clock_vdso_fn *clock_vdso;

static const struct clock_coarse no_time = { UINT64_MAX, UINT64_MAX };
const volatile struct clock_coarse *clock_coarse = &no_time;

#if defined(__aarch64__)
#define VDSO_NAME "__kernel_clock_gettime"
#else
#define VDSO_NAME "__vdso_clock_gettime"
#endif

/* vdso(7). Not by the C library's clock_gettime(), which may be somebody else's (libfaketime). */
static clock_vdso_fn *find_vdso(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	const ElfW(Ehdr) *ehdr = (const void *)base;
	struct elf_name name = elf_name(VDSO_NAME);
	struct elf_object o;
	uint32_t index, state = 0;

	if (!base)
		return NULL;
	if (!elf_object_open(&o, &(struct dl_phdr_info){
			.dlpi_addr = base,	/* it is linked at address 0 */
			.dlpi_phdr = (const void *)(base + ehdr->e_phoff),
			.dlpi_phnum = ehdr->e_phnum }))
		return NULL;
	index = elf_object_function(&o, &name, &state);
	return index ? (clock_vdso_fn *)(base + o.symtab[index].st_value) : NULL;
}

#if defined(__x86_64__)
#if __has_include(<sys/platform/x86.h>)
WEAK_IMPORT(__x86_get_cpuid_feature_leaf);
#endif

static bool tsc_is_invariant(void)
{
	unsigned int a, b, c, d;

#if __has_include(<sys/platform/x86.h>)
	/* glibc has asked the processor already, which takes long in a virtual machine. */
	if (__x86_get_cpuid_feature_leaf)
		return x86_cpu_present(x86_cpu_INVARIANT_TSC);
#endif
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}
#endif

void clock_catch_up(struct clock_lately *l)
{
	struct timespec ts = { 0, 0 };

	if (clock_vdso) {
		clock_vdso(CLOCK_MONOTONIC_COARSE, &ts);
		if ((uint64_t)ts.tv_sec == l->coarse.sec && (uint64_t)ts.tv_nsec == l->coarse.nsec)
			return;
	}
	l->coarse = (struct clock_coarse){ (uint64_t)ts.tv_sec, (uint64_t)ts.tv_nsec };
	l->tick = clock_tick();
}

#define DATA_PAGES	16	/* the kernel's data before the vDSO: that many pages at most */
#define DATA_PAGE	4096

/*
 * Can the page be read? sigprocmask(2) looks at the mask before the operation, of
 * which there is none with that number. (Some of the kernel's pages raise SIGBUS.)
 */
static bool is_readable(uintptr_t page)
{
	return sys_raw(SYS_rt_sigprocmask, -1, (long)page, 0, 8, 0, 0) == -EINVAL;
}

static const volatile struct clock_coarse *find_in_page(uintptr_t page, const struct timespec *ts)
{
	const volatile uint64_t *word = (const volatile uint64_t *)page;

	for (size_t i = 0; i + 1 < DATA_PAGE / sizeof(*word); i++)
		if (word[i] == (uint64_t)ts->tv_sec && word[i + 1] == (uint64_t)ts->tv_nsec)
			return (const volatile struct clock_coarse *)&word[i];
	return NULL;
}

/* One look. The clock may move on meanwhile. */
static const volatile struct clock_coarse *look_for_coarse(void)
{
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
	const volatile struct clock_coarse *found = NULL;
	struct timespec ts;

	clock_vdso(CLOCK_MONOTONIC_COARSE, &ts);
	for (uintptr_t i = 1; !found && i <= DATA_PAGES; i++)
		if (is_readable(vdso - i * DATA_PAGE))
			found = find_in_page(vdso - i * DATA_PAGE, &ts);
	return found;
}

void clock_find_coarse(void)
{
	const volatile struct clock_coarse *found = NULL;

	for (int i = 0; clock_vdso && !found && i < 2; i++)
		found = look_for_coarse();
	clock_coarse = found ? found : &no_time;
}

void clock_init(void)
{
	clock_vdso = find_vdso();
	clock_find_coarse();
#if defined(__x86_64__)
	clock_has_tsc = tsc_is_invariant();
#endif
}

static uint64_t pair(uint64_t *ns)
{
	uint64_t before = clock_tick();

	*ns = clock_ns(CLOCK_MONOTONIC);
	return before + (clock_tick() - before) / 2;
}

void clock_start(struct session_clock *c)
{
	c->tick0 = pair(&c->ns0);
	c->realtime_ns0 = clock_ns(CLOCK_REALTIME);
	c->tick1 = c->tick0;
	c->ns1 = c->ns0;
}

void clock_update(struct session_clock *c)
{
	uint64_t ns, tick = pair(&ns);

	__atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	c->tick1 = tick;
	c->ns1 = ns;
	__atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELEASE);
}
