// SPDX-License-Identifier: MIT
/*
 * sys.h - the system calls of libleak.so.
 *
 * Straight into the kernel: the C library's wrappers may be interposed (by
 * ourselves, among others), and some are cancellation points. Results follow the
 * C library's convention (-1 and errno); whoever enters libleak from a hook
 * saves and restores errno.
 */
#ifndef PRELOAD_SYS_H
#define PRELOAD_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One system call; the kernel's own result: -errno on failure. */
static inline long sys_raw(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "no system calls for this architecture yet"
#endif
}

static inline long sys_call(long n, long a, long b, long c, long d, long e, long f)
{
	long ret = sys_raw(n, a, b, c, d, e, f);

	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

static inline void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	return (void *)sys_call(SYS_mmap, (long)addr, (long)len, (long)prot, (long)flags, (long)fd, (long)off);
}

static inline int sys_munmap(void *addr, size_t len)
{
	return (int)sys_call(SYS_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

static inline void *sys_mremap(void *old, size_t old_len, size_t len, int flags, void *to)
{
	return (void *)sys_call(SYS_mremap, (long)old, (long)old_len, (long)len, (long)flags, (long)to, 0);
}

static inline int sys_mprotect(void *addr, size_t len, int prot)
{
	return (int)sys_call(SYS_mprotect, (long)addr, (long)len, (long)prot, 0, 0, 0);
}

static inline int sys_madvise(void *addr, size_t len, int advice)
{
	return (int)sys_call(SYS_madvise, (long)addr, (long)len, (long)advice, 0, 0, 0);
}

static inline int sys_open(const char *path, int flags, int mode)
{
	return (int)sys_call(SYS_openat, (long)AT_FDCWD, (long)path, (long)(flags | O_CLOEXEC), (long)mode, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys_call(SYS_close, (long)fd, 0, 0, 0, 0, 0);
}

/* (glibc before 2.33 has none in its library.) */
static inline int sys_fstat(int fd, struct stat *st)
{
	return (int)sys_call(SYS_fstat, (long)fd, (long)st, 0, 0, 0, 0);
}

static inline int sys_ftruncate(int fd, off_t len)
{
	return (int)sys_call(SYS_ftruncate, (long)fd, (long)len, 0, 0, 0, 0);
}

static inline ssize_t sys_read(int fd, void *buf, size_t len)
{
	return sys_call(SYS_read, (long)fd, (long)buf, (long)len, 0, 0, 0);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return sys_call(SYS_write, (long)fd, (long)buf, (long)len, 0, 0, 0);
}

/* Private, zeroed, swappable memory that costs nothing until it is touched. NULL when refused. */
static inline void *sys_reserve(size_t len)
{
	void *p = sys_mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The same at a multiple of @align; both are multiples of a page. */
static inline void *sys_reserve_aligned(size_t len, size_t align)
{
	char *p = sys_reserve(len + align);
	size_t before = -(uintptr_t)p & (align - 1);

	if (!p)
		return NULL;
	if (before)
		sys_munmap(p, before);
	sys_munmap(p + before + len, align - before);
	return p + before;
}

/* How many bytes of the pages in [p, p + len) are in memory. */
static inline uint64_t sys_resident(const void *p, size_t len)
{
	uintptr_t at = (uintptr_t)p & ~4095ul, end = (uintptr_t)p + len;
	uint64_t pages = 0;
	unsigned char in[1024];

	for (; at < end; at += sizeof(in) * 4096) {
		size_t left = (end - at + 4095) / 4096, n = left < sizeof(in) ? left : sizeof(in);

		if (sys_call(SYS_mincore, (long)at, (long)(n * 4096), (long)in, 0, 0, 0) != 0)
			break;
		for (size_t i = 0; i < n; i++)
			pages += in[i] & 1;
	}
	return pages * 4096;
}

#endif
