// SPDX-License-Identifier: MIT
/* elfid.c - program headers and the GNU build-id note (elf(5)). */
#include "kagent/elfid.h"

#include "common/io.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PHDRS_MAX	64u
#define NOTES_MAX	4096u

static uint64_t aligned(uint64_t n)
{
	return (n + 3) & ~3ull;
}

static void find_build_id(const uint8_t *notes, size_t len, struct elfid *e)
{
	Elf64_Nhdr n;
	size_t at = 0;

	while (len - at >= sizeof(n)) {
		uint64_t name, desc;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		desc = name + aligned(n.n_namesz);
		if (desc + n.n_descsz > len)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(notes + name, "GNU", 4) && n.n_descsz <= ELFID_BUILD_ID) {
			memcpy(e->build_id, notes + desc, n.n_descsz);
			e->build_id_len = n.n_descsz;
			return;
		}
		at = desc + aligned(n.n_descsz);
		if (at > len)
			return;
	}
}

static void read_notes(int fd, const Elf64_Phdr *p, struct elfid *e)
{
	uint8_t notes[NOTES_MAX];
	ssize_t n =
		io_pread(fd, notes, p->p_filesz < NOTES_MAX ? p->p_filesz : NOTES_MAX, p->p_offset);

	if (n > 0)
		find_build_id(notes, n, e);
}

static bool is_ours(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB) &&
	       h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum && h->e_phnum <= PHDRS_MAX;
}

static int read_headers(int fd, struct elfid *e)
{
	Elf64_Phdr phdr[PHDRS_MAX];
	Elf64_Ehdr h;
	ssize_t size;

	if (io_pread(fd, &h, sizeof(h), 0) != sizeof(h) || !is_ours(&h))
		return -ENOEXEC;
	size = h.e_phnum * sizeof(*phdr);
	if (io_pread(fd, phdr, size, h.e_phoff) != size)
		return -ENOEXEC;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		const Elf64_Phdr *p = &phdr[i];

		if (p->p_type == PT_NOTE && !e->build_id_len)
			read_notes(fd, p, e);
		if (p->p_type != PT_LOAD || e->segments == ELFID_SEGMENTS)
			continue;
		e->segment[e->segments].executable = p->p_flags & PF_X;
		e->segment[e->segments].offset = p->p_offset;
		e->segment[e->segments].vaddr = p->p_vaddr;
		e->segment[e->segments++].size = p->p_filesz;
	}
	return 0;
}

int elfid_read(const char *path, struct elfid *out)
{
	struct elfid e = { .build_id_len = 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = read_headers(fd, &e);
	close(fd);
	if (!err)
		*out = e;
	return err;
}

uint64_t elfid_vaddr(const struct elfid *e, uint64_t offset)
{
	for (uint32_t i = 0; i < e->segments; i++)
		if (offset >= e->segment[i].offset &&
		    offset - e->segment[i].offset < e->segment[i].size)
			return e->segment[i].vaddr + (offset - e->segment[i].offset);
	return UINT64_MAX;
}
