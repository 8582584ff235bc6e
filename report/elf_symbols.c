// SPDX-License-Identifier: MIT
/* elf_symbols.c - the functions of an ELF file, in a table sorted by address. */
#define _GNU_SOURCE 1
#include "report/elf_symbols.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A file that is mapped changes under its reader when somebody writes to it, so that only
 * large ones are, for the sake of memory; see also bus_guard.h.
 */
#define READ_MAX (64u << 20)

/* A symbol without a size (assembly) reaches to the next one, but not further than this. */
#define SIZELESS_MAX 4096u

struct function {
	uint64_t start, end;
	const char *name;
	uint32_t rank;		/* of several symbols for one address the highest is shown */
};

struct elf_symbols {
	Dwfl *dwfl;
	Dwfl_Module *mod;
	int fd;			/* libdwfl's once it has been reported; -1: none */
	Elf *elf;		/* likewise */
	struct stat st;		/* as of the opening */
	struct function *functions;
	size_t count;
};

/* A Dwfl_Callbacks.find_elf: what was opened for this module. */
static int hand_over(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		     char **file_name, Elf **elf)
{
	struct elf_symbols *es = *userdata;
	int fd = es->fd;

	(void)mod;
	(void)base;
	*file_name = strdup(name);
	*elf = es->elf;
	es->elf = NULL;
	return fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = hand_over,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

/* ---- opening ---- */

static int open_regular(const char *path, struct stat *st)
{
	/* O_NONBLOCK: the path comes from a session and may name a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}

/* The addresses that the file's segments take; false when it has none. */
static bool find_range(Elf *elf, GElf_Addr *start, GElf_Addr *end)
{
	size_t n;

	*start = UINT64_MAX;
	*end = 0;
	if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD)
			continue;
		/* libdwfl takes the first one's begin, rounded down, for the module's */
		if (*start == UINT64_MAX)
			*start = ph.p_vaddr & -(ph.p_align ? ph.p_align : 1);
		if (ph.p_vaddr + ph.p_memsz > *end)
			*end = ph.p_vaddr + ph.p_memsz;
	}
	return *start < *end;
}

static int check_build_id(Dwfl_Module *mod, const uint8_t *want, size_t len)
{
	GElf_Addr bias;
	const void *have;
	ssize_t have_len;
	Elf *elf = dwfl_module_getelf(mod, &bias);

	if (!elf)
		return -ENOEXEC;
	if (!len)
		return 0;
	have_len = dwelf_elf_gnu_build_id(elf, &have);
	return have_len == (ssize_t)len && !memcmp(have, want, len) ? 0 : -ESTALE;
}

static int report_module(struct elf_symbols *es, const char *path)
{
	GElf_Addr start, end;
	void **userdata;

	elf_version(EV_CURRENT);
	es->elf = elf_begin(es->fd, es->st.st_size > READ_MAX ? ELF_C_READ_MMAP_PRIVATE :
								ELF_C_READ, NULL);
	if (!es->elf || !find_range(es->elf, &start, &end))
		return -ENOEXEC;
	dwfl_report_begin(es->dwfl);
	es->mod = dwfl_report_module(es->dwfl, path, start, end);
	if (!es->mod || dwfl_report_end(es->dwfl, NULL, NULL))
		return -ENOEXEC;
	dwfl_module_info(es->mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = es;
	return 0;
}

bool elf_symbols_changed(const struct elf_symbols *es)
{
	struct stat now;

	return fstat(es->fd, &now) || now.st_size != es->st.st_size ||
	       now.st_mtim.tv_sec != es->st.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != es->st.st_mtim.tv_nsec;
}

/* ---- symbols ---- */

static uint32_t rank_of(const GElf_Sym *sym, const char *name)
{
	static const uint32_t by_binding[] = {
		[STB_LOCAL] = 1, [STB_GLOBAL] = 3, [STB_WEAK] = 2
	};
	uint32_t bind = GELF_ST_BIND(sym->st_info);
	uint32_t rank = bind <= STB_WEAK ? by_binding[bind] : 0;

	/* Of two names for one function the one without underscores is the known one. */
	return rank * 4 + (sym->st_size ? 2 : 0) + (name[0] != '_');
}

static bool is_function(const GElf_Sym *sym, GElf_Word shndx)
{
	uint32_t type = GELF_ST_TYPE(sym->st_info);

	return shndx != SHN_UNDEF && shndx != SHN_ABS &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC ||
		(type == STT_NOTYPE && !sym->st_size));
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Sorts, keeps the best name of each address, and ends what has no size at the next start. */
static void arrange(struct elf_symbols *es)
{
	struct function *f = es->functions;
	size_t kept = 0;

	qsort(f, es->count, sizeof(*f), compare_functions);
	for (size_t i = 0; i < es->count; i++)
		if (!kept || f[kept - 1].start != f[i].start)
			f[kept++] = f[i];
	for (size_t i = 0; i < kept; i++) {
		if (f[i].end > f[i].start)
			continue;
		f[i].end = f[i].start + SIZELESS_MAX;
		if (i + 1 < kept && f[i + 1].start < f[i].end)
			f[i].end = f[i + 1].start;
	}
	es->count = kept;
}

static int load_functions(struct elf_symbols *es)
{
	int n = dwfl_module_getsymtab(es->mod);

	if (n <= 0)
		return 0;	/* stripped to the bone: offsets are all there is */
	es->functions = malloc((size_t)n * sizeof(*es->functions));
	if (!es->functions)
		return -ENOMEM;
	for (int i = 1; i < n; i++) {
		struct function *f = &es->functions[es->count];
		GElf_Word shndx = SHN_UNDEF;
		GElf_Addr addr;
		GElf_Sym sym;
		const char *name = dwfl_module_getsym_info(es->mod, i, &sym, &addr, &shndx, NULL,
							   NULL);

		if (!name || !*name || *name == '$' || !is_function(&sym, shndx))
			continue;
		*f = (struct function){ addr, addr + sym.st_size, name, rank_of(&sym, name) };
		es->count++;
	}
	if (es->count)
		arrange(es);
	return 0;
}

const char *elf_symbols_find(const struct elf_symbols *es, uint64_t addr, uint64_t *start)
{
	size_t lo = 0, hi = es->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (es->functions[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Functions may lie within others (aliases of parts, .cold): look back a little. */
	for (size_t back = 0; back < 8 && lo > back; back++) {
		const struct function *f = &es->functions[lo - 1 - back];

		if (addr < f->end) {
			*start = f->start;
			return f->name;
		}
	}
	return NULL;
}

Dwarf *elf_symbols_dwarf(struct elf_symbols *es, uint64_t *bias)
{
	Dwarf_Addr b = 0;
	Dwarf *dw = dwfl_module_getdwarf(es->mod, &b);

	*bias = b;
	return dw;
}

static int open_symbols(struct elf_symbols *es, const char *path, const uint8_t *build_id,
			size_t len)
{
	int err;

	es->fd = open_regular(path, &es->st);
	if (es->fd < 0)
		return es->fd;
	es->dwfl = dwfl_begin(&callbacks);
	if (!es->dwfl)
		return -ENOMEM;
	err = report_module(es, path);
	if (!err)
		err = check_build_id(es->mod, build_id, len);
	if (!err)
		err = load_functions(es);
	return !err && elf_symbols_changed(es) ? -ESTALE : err;
}

int elf_symbols_open(const char *path, const uint8_t *build_id, size_t len,
		     struct elf_symbols **out)
{
	struct elf_symbols *es = calloc(1, sizeof(*es));
	int err;

	if (!es)
		return -ENOMEM;
	err = open_symbols(es, path, build_id, len);
	if (err) {
		elf_symbols_close(es);
		return err;
	}
	*out = es;
	return 0;
}

void elf_symbols_close(struct elf_symbols *es)
{
	bool handed_over;

	if (!es)
		return;
	handed_over = es->mod && !es->elf;
	if (es->dwfl)
		dwfl_end(es->dwfl);
	if (es->elf)
		elf_end(es->elf);
	if (!handed_over && es->fd >= 0)
		close(es->fd);
	free(es->functions);
	free(es);
}
