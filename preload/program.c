// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/io.h"

#define MAX_SCRIPT_DEPTH	5	/* as the kernel follows #! lines */
#define MAX_PROGRAM_HEADERS	512

static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == EACCES ? -EACCES : -ENOENT;
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return -EACCES;
	return 0;
}

/* The directory list [dir, end) + name; false when it is too long. */
static bool join(char path[PATH_MAX], const char *dir, const char *end, const char *name)
{
	int len = (int)(end - dir);
	int total = snprintf(path, PATH_MAX, "%.*s%s%s", len, dir, len ? "/" : "./", name);

	return total < PATH_MAX;
}

int program_find(const char *name, char path[PATH_MAX])
{
	const char *dir = getenv("PATH"), *end;
	char candidate[PATH_MAX];
	int rc = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if (strlen(name) >= PATH_MAX)
			return -ENOENT;
		rc = executable(name);
		if (!rc)
			strcpy(path, name);
		return rc;
	}
	for (dir = dir ? dir : "/bin:/usr/bin";; dir = end + 1) {
		int found;

		end = strchrnul(dir, ':');
		found = join(candidate, dir, end, name) ? executable(candidate) : -ENOENT;
		if (!found) {
			strcpy(path, candidate);
			return 0;
		}
		if (found == -EACCES)
			rc = -EACCES;
		if (!*end)
			return rc;
	}
}

/* Will the kernel start this file in secure-execution mode, where ld.so preloads nothing? */
static bool is_secure(int fd)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) || (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
		return false;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return true;
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
		return true;
	return getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* The path in PT_INTERP; empty without one. -ENOEXEC for what is no sound 64-bit ELF file. */
static int elf_interpreter(int fd, const Elf64_Ehdr *ehdr, char interp[PATH_MAX])
{
	interp[0] = '\0';
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr) || ehdr->e_phnum > MAX_PROGRAM_HEADERS)
		return -ENOEXEC;
	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		uint64_t at = ehdr->e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr phdr;

		if (io_pread(fd, &phdr, sizeof(phdr), at) != sizeof(phdr))
			return -ENOEXEC;
		if (phdr.p_type != PT_INTERP)
			continue;
		if (!phdr.p_filesz || phdr.p_filesz >= PATH_MAX ||
		    io_pread(fd, interp, phdr.p_filesz, phdr.p_offset) != (ssize_t)phdr.p_filesz)
			return -ENOEXEC;
		interp[phdr.p_filesz] = '\0';
		break;
	}
	return 0;
}

static bool is_elf(const void *head, ssize_t len)
{
	return len >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG);
}

/* Reads the ELF header and interpreter of the running program itself. */
static int own_elf(Elf64_Ehdr *ehdr, char interp[PATH_MAX])
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int rc = -ENOEXEC;

	if (fd < 0)
		return -errno;
	if (io_pread(fd, ehdr, sizeof(*ehdr), 0) == sizeof(*ehdr))
		rc = elf_interpreter(fd, ehdr, interp);
	close(fd);
	return rc;
}

static enum program_fit judge_elf(int fd, const Elf64_Ehdr *ehdr)
{
	char interp[PATH_MAX], own_interp[PATH_MAX];
	Elf64_Ehdr own;

	if (own_elf(&own, own_interp))
		return PROGRAM_FITS;
	if (ehdr->e_ident[EI_CLASS] != own.e_ident[EI_CLASS] || ehdr->e_machine != own.e_machine)
		return PROGRAM_OTHER_ARCH;
	if (elf_interpreter(fd, ehdr, interp))
		return PROGRAM_FITS;
	if (!*interp)
		return PROGRAM_STATIC;
	if (is_secure(fd))
		return PROGRAM_SECURE;
	if (!strcmp(basename(interp), basename(own_interp)))
		return PROGRAM_FITS;
	/* elsewhere libleak.so needs a library that is one of this C library's */
	if (own.e_machine == EM_X86_64 && !strncmp(basename(interp), "ld-musl-", 8))
		return PROGRAM_FITS;
	return PROGRAM_OTHER_LIBC;
}

/* The interpreter that a "#!" line names; false when the line names none. */
static bool script_interpreter(const char *line, size_t len, char interp[PATH_MAX])
{
	size_t start = 2, end;

	while (start < len && (line[start] == ' ' || line[start] == '\t'))
		start++;
	for (end = start; end < len && !strchr(" \t\n", line[end]); end++)
		;
	if (end == start || end - start >= PATH_MAX)
		return false;
	memcpy(interp, line + start, end - start);
	interp[end - start] = '\0';
	return true;
}

enum program_fit program_judge(const char *path, char object[PATH_MAX])
{
	snprintf(object, PATH_MAX, "%s", path);
	for (int depth = 0; depth < MAX_SCRIPT_DEPTH; depth++) {
		union {
			char bytes[256];	/* BINPRM_BUF_SIZE: the kernel reads no more */
			Elf64_Ehdr ehdr;
		} head = { { 0 } };
		enum program_fit fit = PROGRAM_FITS;
		bool script = false;
		ssize_t len;
		int fd = open(object, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			return PROGRAM_FITS;
		len = io_pread(fd, &head, sizeof(head), 0);
		if (is_elf(&head, len))
			fit = judge_elf(fd, &head.ehdr);
		else if (len > 2 && !memcmp(head.bytes, "#!", 2))
			script = script_interpreter(head.bytes, (size_t)len, object);
		close(fd);
		if (!script)
			return fit;
	}
	return PROGRAM_FITS;
}

/* The name in DT_NEEDED, looked for in the text of the file: sections may be stripped. */
bool program_has_asan(const char *path)
{
	static const char name[] = "libasan.so";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool found = false;
	void *text;

	if (fd < 0)
		return false;
	text = fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size ? MAP_FAILED :
	       mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text != MAP_FAILED) {
		found = memmem(text, (size_t)st.st_size, name, sizeof(name) - 1);
		munmap(text, (size_t)st.st_size);
	}
	close(fd);
	return found;
}
