// SPDX-License-Identifier: MIT
/* unwind_rows.c - see unwind_rows.h; the rows themselves are worked out by elfutils' libdw. */
#define _GNU_SOURCE
#include "kagent/unwind_rows.h"

#include "common/array.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RBP		6	/* DWARF numbers of x86-64's registers */
#define RSP		7
#define RETURN_ADDRESS	16
#define PCREL_SDATA4	0x1b	/* DW_EH_PE_pcrel | DW_EH_PE_sdata4 */
#define TABLE_SDATA4	0x3b	/* DW_EH_PE_datarel | DW_EH_PE_sdata4 */

struct reading {
	Dwarf_CFI *cfi;
	uint64_t base;
	struct ku_row *rows;
	size_t count, room;
};

/* ---- one row -------------------------------------------------------------------- */

static int add(struct reading *r, uint64_t pc, uint16_t cfa, int16_t bp)
{
	struct ku_row *last = r->count ? &r->rows[r->count - 1] : NULL, *bigger;

	if (pc < r->base || pc - r->base > UINT32_MAX)
		return 0;
	if (last && last->cfa == cfa && last->bp == bp)
		return 0;	/* goes on as before */
	if (r->count == KU_MAX_ROWS)
		return -EFBIG;
	bigger = array_grow(r->rows, r->count, &r->room, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	r->rows = bigger;
	bigger[r->count++] = (struct ku_row){ (uint32_t)(pc - r->base), cfa, bp };
	return 0;
}

static uint16_t cfa_of(Dwarf_Frame *frame)
{
	Dwarf_Op *ops;
	size_t n;
	uint64_t reg, offset;

	if (dwarf_frame_cfa(frame, &ops, &n) || n != 1)
		return KU_CFA_UNKNOWN;
	if (ops->atom == DW_OP_bregx) {
		reg = ops->number;
		offset = ops->number2;
	} else if (ops->atom >= DW_OP_breg0 && ops->atom <= DW_OP_breg31) {
		reg = ops->atom - DW_OP_breg0;
		offset = ops->number;
	} else {
		return KU_CFA_UNKNOWN;
	}
	if ((reg != RSP && reg != RBP) || offset > KU_CFA_MAX - 16 || offset & 7)
		return KU_CFA_UNKNOWN;
	return (uint16_t)(offset | (reg == RBP ? KU_CFA_RBP : 0));
}

/* Where a register is saved, from the CFA; 0: it is as it was. False: otherwise. */
static bool saved_at(Dwarf_Frame *frame, int reg, int64_t *at)
{
	Dwarf_Op room[3], *ops = NULL;
	size_t n = 0;

	if (dwarf_frame_register(frame, reg, room, &ops, &n))
		return false;
	*at = 0;
	if (!n)
		return !ops;
	if (n != 2 || ops[0].atom != DW_OP_call_frame_cfa || ops[1].atom != DW_OP_plus_uconst)
		return false;
	*at = (int64_t)ops[1].number;
	return *at >= -32768 && *at < 0;
}

static bool is_outermost(Dwarf_Frame *frame)
{
	Dwarf_Op room[3], *ops = NULL;
	size_t n = 0;

	return !dwarf_frame_register(frame, RETURN_ADDRESS, room, &ops, &n) && !n && ops;
}

static int add_frame(struct reading *r, uint64_t pc, Dwarf_Frame *frame, bool signal)
{
	int64_t bp = 0, back = 0;
	uint16_t cfa;

	if (is_outermost(frame))
		return add(r, pc, KU_CFA_OUTERMOST, 0);
	cfa = signal || !saved_at(frame, RETURN_ADDRESS, &back) || back != -8 ||
	      !saved_at(frame, RBP, &bp) ? KU_CFA_UNKNOWN : cfa_of(frame);
	return add(r, pc, cfa, cfa == KU_CFA_UNKNOWN ? 0 : (int16_t)bp);
}

/* ---- all of them ------------------------------------------------------------------ */

/* The rows of the function at pc, up to `end`, where the next one begins. */
static int read_function(struct reading *r, uint64_t pc, uint64_t end)
{
	int err = 0;

	while (pc < end && !err) {
		Dwarf_Addr from, to;
		Dwarf_Frame *frame;
		bool signal = false;

		if (dwarf_cfi_addrframe(r->cfi, pc, &frame))
			return add(r, pc, KU_CFA_UNKNOWN, 0);
		if (dwarf_frame_info(frame, &from, &to, &signal) < 0 || to <= pc)
			to = end;
		err = add_frame(r, pc, frame, signal);
		free(frame);
		pc = to;
	}
	return err;
}

/* Where the functions begin: the binary search table of .eh_frame_hdr. */
static int read_table(struct reading *r, const uint8_t *hdr, size_t size, uint64_t at)
{
	int32_t entry[2], next;
	uint32_t count;
	int err = 0;

	/* version 1, .eh_frame's address as sdata4, the count as udata4, sorted sdata4 */
	if (size < 12 || hdr[0] != 1 || hdr[2] != 0x03 || hdr[3] != TABLE_SDATA4)
		return -ENOENT;
	memcpy(&count, hdr + 8, sizeof(count));
	if (count > (size - 12) / sizeof(entry))
		return -ENOEXEC;
	for (uint32_t i = 0; i < count && !err; i++) {
		const uint8_t *p = hdr + 12 + i * sizeof(entry);
		uint64_t end = UINT64_MAX;

		memcpy(entry, p, sizeof(entry));
		if (i + 1 < count) {
			memcpy(&next, p + sizeof(entry), sizeof(next));
			if (next <= entry[0])
				continue;
			end = at + (uint64_t)(int64_t)next;
		}
		err = read_function(r, at + (uint64_t)(int64_t)entry[0], end);
	}
	return err;
}

static int read_by_header(struct reading *r, Elf *elf, const GElf_Phdr *p)
{
	const Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)p->p_offset, p->p_filesz,
						    ELF_T_BYTE);

	return data && data->d_buf ? read_table(r, data->d_buf, data->d_size, p->p_vaddr) :
	       -ENOEXEC;
}

/* ---- without the table: static programs ---------------------------------------------- */

struct starts {
	uint64_t *list;
	size_t count, room;
};

/* How the CIE says that its functions' addresses are written; 0: some other way. */
static uint8_t encoding_of(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;
	size_t left = cie->augmentation_data_size;

	if (!cie->augmentation || cie->augmentation[0] != 'z')
		return 0;
	for (const char *c = cie->augmentation + 1; *c && left; c++) {
		size_t used = 1;

		if (*c == 'R')
			return *data;
		if (*c == 'P')	/* an encoded pointer: what compilers for this machine write */
			used += (*data & 7) == 3 ? 4 : 8;
		else if (*c != 'L')
			used = 0;
		if (used > left)
			return 0;
		data += used;
		left -= used;
	}
	return 0;
}

static int add_start(struct starts *s, uint64_t pc)
{
	uint64_t *bigger = array_grow(s->list, s->count, &s->room, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	s->list = bigger;
	bigger[s->count++] = pc;
	return 0;
}

static int collect(struct starts *s, Elf *elf, Elf_Data *data, uint64_t at)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(elf, NULL);
	const uint8_t *begin = data->d_buf;
	Dwarf_Off offset = 0, next, last = (Dwarf_Off)-1;
	uint8_t encoding = 0;
	Dwarf_CFI_Entry entry, cie;
	Dwarf_Off unused;
	int err = 0;

	while (!err && !dwarf_next_cfi(ident, data, true, offset, &next, &entry)) {
		int32_t distance;

		offset = next;
		if (dwarf_cfi_cie_p(&entry) || entry.fde.end - entry.fde.start < 4)
			continue;
		if (entry.fde.CIE_pointer != last) {
			last = entry.fde.CIE_pointer;
			encoding = dwarf_next_cfi(ident, data, true, last, &unused, &cie) ||
				   !dwarf_cfi_cie_p(&cie) ? 0 : encoding_of(&cie.cie);
		}
		if (encoding != PCREL_SDATA4)
			continue;
		memcpy(&distance, entry.fde.start, sizeof(distance));
		err = add_start(s, at + (uint64_t)(entry.fde.start - begin) +
				(uint64_t)(int64_t)distance);
	}
	return err;
}

static int compare_starts(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int read_section(struct reading *r, Elf *elf, Elf_Data *data, uint64_t at)
{
	struct starts s = { .list = NULL };
	int err = collect(&s, elf, data, at);

	if (s.count)
		qsort(s.list, s.count, sizeof(*s.list), compare_starts);
	for (size_t i = 0; i < s.count && !err; i++)
		err = read_function(r, s.list[i], i + 1 < s.count ? s.list[i + 1] : UINT64_MAX);
	free(s.list);
	return err;
}

static int read_by_sections(struct reading *r, Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;
	GElf_Shdr h;

	if (elf_getshdrstrndx(elf, &names))
		return -ENOENT;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &h) ?
				   elf_strptr(elf, names, h.sh_name) : NULL;
		Elf_Data *data = name && !strcmp(name, ".eh_frame") ?
				 elf_rawdata(section, NULL) : NULL;

		if (data && data->d_buf)
			return read_section(r, elf, data, h.sh_addr);
	}
	return -ENOENT;
}

static int read_elf(struct reading *r, Elf *elf)
{
	size_t headers;
	GElf_Phdr p;

	r->cfi = dwarf_getcfi_elf(elf);
	if (!r->cfi || elf_getphdrnum(elf, &headers))
		return -ENOENT;
	for (size_t i = 0; i < headers; i++)
		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_GNU_EH_FRAME)
			return read_by_header(r, elf, &p);
	return read_by_sections(r, elf);
}

int unwind_rows_read(const char *path, uint64_t base, struct ku_row **rows, size_t *count)
{
	struct reading r = { .base = base };
	int fd, err = -ENOEXEC;
	Elf *elf;

#ifndef __x86_64__
	return -ENOENT;
#endif
	elf_version(EV_CURRENT);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf)
		err = read_elf(&r, elf);
	if (r.cfi)
		dwarf_cfi_end(r.cfi);
	elf_end(elf);
	close(fd);
	if (!err && !r.count)
		err = -ENOENT;
	if (err) {
		free(r.rows);
		return err;
	}
	*rows = r.rows;
	*count = r.count;
	return 0;
}
