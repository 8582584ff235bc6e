// SPDX-License-Identifier: MIT
/* inject_image.c - see inject_image.h */
#define _GNU_SOURCE 1
#include "inject_image.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Limits against a process that shows nonsense. */
#define MAX_PHDRS	64
#define MAX_DYNAMIC	512
#define MAX_SYMBOLS	(1u << 20)
#define MAX_STRINGS	(64u << 20)

struct image {
	struct image_object *objects;
	size_t count, room;
	uint64_t loader_base, entry;
};

int image_read(int mem, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(mem, (char *)buf + done, len - done, (off_t)(addr + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EIO ? -errno : -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

int image_write(int mem, uint64_t addr, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(mem, (const char *)buf + done, len - done,
				   (off_t)(addr + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EIO ? -errno : -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

/* The parts of PT_DYNAMIC that matter here, as addresses in memory. */
struct dynamic {
	uint64_t symtab, strtab, strsz, gnu_hash, hash;
};

/* glibc relocates d_ptr in place, musl and the vdso do not. */
static uint64_t dynamic_address(const struct image_object *o, uint64_t value)
{
	return value >= o->start && value < o->end ? value : value + o->bias;
}

static int read_dynamic(int mem, const struct image_object *o, uint64_t addr, uint64_t size,
			struct dynamic *out)
{
	Elf64_Dyn dyn[MAX_DYNAMIC];
	struct dynamic d = { 0 };
	size_t n = size / sizeof(dyn[0]);
	int err;

	if (n > MAX_DYNAMIC)
		n = MAX_DYNAMIC;
	err = image_read(mem, addr, dyn, n * sizeof(dyn[0]));
	if (err)
		return err;
	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		uint64_t p = dynamic_address(o, dyn[i].d_un.d_ptr);

		switch (dyn[i].d_tag) {
		case DT_SYMTAB:		d.symtab = p; break;
		case DT_STRTAB:		d.strtab = p; break;
		case DT_STRSZ:		d.strsz = dyn[i].d_un.d_val; break;
		case DT_GNU_HASH:	d.gnu_hash = p; break;
		case DT_HASH:		d.hash = p; break;
		}
	}
	*out = d;
	return 0;
}

/* The GNU hash table does not say how many symbols there are: its last chain ends with them. */
static int count_gnu_symbols(int mem, uint64_t table, uint64_t *count)
{
	uint32_t head[4], last = 0, word;	/* nbuckets, symoffset, bloom words, shift */
	uint32_t buckets[1024];
	uint64_t addr;
	int err = image_read(mem, table, head, sizeof(head));

	if (err)
		return err;
	if (head[0] > MAX_SYMBOLS || head[2] > MAX_SYMBOLS)
		return -EBADMSG;
	addr = table + sizeof(head) + head[2] * 8ull;
	for (uint32_t i = 0; i < head[0]; i += 1024) {
		uint32_t n = head[0] - i < 1024 ? head[0] - i : 1024;

		err = image_read(mem, addr + i * 4ull, buckets, n * 4ull);
		if (err)
			return err;
		for (uint32_t k = 0; k < n; k++)
			if (buckets[k] > last)
				last = buckets[k];
	}
	addr += head[0] * 4ull;
	if (last < head[1]) {
		*count = head[1];
		return 0;
	}
	do {
		err = image_read(mem, addr + (last - head[1]) * 4ull, &word, 4);
		if (err)
			return err;
		last++;
	} while (!(word & 1) && last < MAX_SYMBOLS);
	*count = last;
	return 0;
}

static int count_symbols(int mem, const struct dynamic *d, uint64_t *count)
{
	uint32_t head[2];
	int err;

	if (d->gnu_hash)
		return count_gnu_symbols(mem, d->gnu_hash, count);
	if (!d->hash)
		return -ENOENT;
	err = image_read(mem, d->hash, head, sizeof(head));
	if (!err)
		*count = head[1];
	return err;
}

static int by_address(const void *a, const void *b)
{
	const struct image_symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool is_wanted(const Elf64_Sym *sym)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	return sym->st_shndx != SHN_UNDEF && sym->st_value &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE ||
		type == STT_OBJECT);
}

static void keep_symbols(struct image_object *o, const Elf64_Sym *syms, uint64_t count,
			   uint64_t strsz)
{
	for (uint64_t i = 1; i < count; i++) {
		struct image_symbol *s = &o->symbols[o->symbol_count];

		if (!is_wanted(&syms[i]) || syms[i].st_name >= strsz)
			continue;
		s->addr = syms[i].st_value + o->bias;
		s->size = syms[i].st_size;
		s->name = o->strings + syms[i].st_name;
		s->ifunc = ELF64_ST_TYPE(syms[i].st_info) == STT_GNU_IFUNC;
		o->symbol_count++;
	}
	qsort(o->symbols, o->symbol_count, sizeof(o->symbols[0]), by_address);
}

static int read_symbols(int mem, struct image_object *o, const struct dynamic *d)
{
	Elf64_Sym *syms = NULL;
	uint64_t count = 0;
	int err = count_symbols(mem, d, &count);

	if (err)
		return err;
	if (!d->symtab || !d->strtab || count > MAX_SYMBOLS || d->strsz > MAX_STRINGS)
		return -EBADMSG;
	syms = calloc(count + 1, sizeof(*syms));
	o->symbols = calloc(count + 1, sizeof(*o->symbols));
	o->strings = calloc(1, d->strsz + 1);
	err = syms && o->symbols && o->strings ? 0 : -ENOMEM;
	if (!err)
		err = image_read(mem, d->symtab, syms, count * sizeof(*syms));
	if (!err)
		err = image_read(mem, d->strtab, o->strings, d->strsz);
	if (!err)
		keep_symbols(o, syms, count, d->strsz);
	free(syms);
	return err;
}

/* Program headers of the object whose first page is mapped at `start`. */
static int read_phdrs(int mem, uint64_t start, Elf64_Phdr ph[MAX_PHDRS], unsigned *count)
{
	Elf64_Ehdr eh;
	int err = image_read(mem, start, &eh, sizeof(eh));

	if (err)
		return err;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > MAX_PHDRS)
		return -EBADMSG;
	err = image_read(mem, start + eh.e_phoff, ph, eh.e_phnum * sizeof(*ph));
	if (!err)
		*count = eh.e_phnum;
	return err;
}

#define MAX_NOTES	4096	/* bytes of them that are looked at */

bool image_is_go_note(int mem, uint64_t addr, uint64_t size)
{
	uint64_t at = 0;
	uint32_t words[4];	/* size of the name, of the contents; type; four bytes of the name */

	while (size >= sizeof(words) && at <= size - sizeof(words) && at < MAX_NOTES) {
		if (image_read(mem, addr + at, words, sizeof(words)))
			return false;
		if (words[0] == 4 && !memcmp(&words[3], "Go\0", 4))
			return true;
		at += 12ull + ((words[0] + 3ull) & ~3ull) + ((words[1] + 3ull) & ~3ull);
	}
	return false;
}

bool image_has_go(const struct image *image)
{
	for (size_t i = 0; i < image->count; i++)
		if (image->objects[i].go)
			return true;
	return false;
}

static int read_object(int mem, struct image_object *o)
{
	Elf64_Phdr ph[MAX_PHDRS], *dyn = NULL;
	uint64_t first = UINT64_MAX, end = 0, table = 0;
	unsigned count = 0;
	struct dynamic d;
	int err = read_phdrs(mem, o->start, ph, &count);

	if (err)
		return err;
	for (unsigned i = 0; i < count; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = &ph[i];
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			table = ph[i].p_vaddr;
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (first == UINT64_MAX)
			first = ph[i].p_vaddr & ~4095ull;
		if (ph[i].p_vaddr + ph[i].p_memsz > end)
			end = ph[i].p_vaddr + ph[i].p_memsz;
	}
	if (first == UINT64_MAX)
		return -EBADMSG;
	o->bias = o->start - first;
	o->end = o->bias + end;
	o->unwind_table = table ? o->bias + table : 0;
	for (unsigned i = 0; i < count && !o->go; i++)
		o->go = ph[i].p_type == PT_NOTE &&
			image_is_go_note(mem, o->bias + ph[i].p_vaddr, ph[i].p_memsz);
	if (!dyn)
		return 0;
	err = read_dynamic(mem, o, dyn->p_vaddr + o->bias, dyn->p_memsz, &d);
	return err ? err : read_symbols(mem, o, &d);
}

static void drop_object(struct image_object *o)
{
	free(o->path);
	free(o->symbols);
	free(o->strings);
}

void image_free(struct image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->count; i++)
		drop_object(&image->objects[i]);
	free(image->objects);
	free(image);
}

static int add_object(struct image *image, const struct image_object *o)
{
	if (image->count == image->room) {
		size_t room = image->room ? 2 * image->room : 32;
		struct image_object *grown = realloc(image->objects, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		image->objects = grown;
		image->room = room;
	}
	image->objects[image->count++] = *o;
	return 0;
}

/* One line of /proc/PID/maps. */
struct mapping {
	uint64_t start, end, offset, inode;
	bool exec;
	char path[4096];
};

static bool parse_mapping(const char *line, struct mapping *m)
{
	char perms[5];
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64 " %n", &m->start,
		   &m->end, perms, &m->offset, &m->inode, &path) < 5 || !path)
		return false;
	m->exec = perms[2] == 'x';
	snprintf(m->path, sizeof(m->path), "%.*s", (int)strcspn(line + path, "\n"), line + path);
	return true;
}

static bool strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path), tail = sizeof(mark) - 1;

	if (len < tail || strcmp(path + len - tail, mark))
		return false;
	path[len - tail] = '\0';
	return true;
}

/*
 * Turns the mappings of one file into an object, once its executable part is
 * seen. What cannot be read as ELF (a program's own business) is left out.
 */
static int take_object(struct image *image, int mem, uint64_t start, const struct mapping *text)
{
	struct image_object o = { .start = start, .text_start = text->start,
				  .text_end = text->end };
	int err;

	o.path = strdup(text->path);
	if (!o.path)
		return -ENOMEM;
	o.deleted = strip_deleted(o.path);
	err = read_object(mem, &o);
	if (!err || err == -ENOENT)
		err = add_object(image, &o);
	if (err)
		drop_object(&o);
	return err == -ENOMEM ? err : 0;
}

/* What was written to meanwhile (got.h) does not merge with its neighbours any more. */
static bool goes_on_with(struct image *image, const struct mapping *m)
{
	struct image_object *last = image->count ? &image->objects[image->count - 1] : NULL;

	if (!last || last->text_end != m->start)
		return false;
	last->text_end = m->end;
	return true;
}

static int read_maps(struct image *image, FILE *maps, int mem)
{
	uint64_t start = 0, inode = 0;
	struct mapping m;
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	while (!err && getline(&line, &room, maps) > 0) {
		if (!parse_mapping(line, &m))
			continue;
		if (!m.offset || m.inode != inode || !m.inode) {
			start = m.start;
			inode = m.inode;
		}
		if (m.exec && !start && goes_on_with(image, &m))
			continue;
		if (m.exec && start && (m.inode || !strcmp(m.path, "[vdso]"))) {
			err = take_object(image, mem, start, &m);
			start = 0;	/* an object has one entry */
		}
	}
	free(line);
	return err;
}

static void read_auxv(struct image *image, pid_t pid)
{
	Elf64_auxv_t av;
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/auxv", (int)pid);
	f = fopen(name, "re");
	while (f && fread(&av, sizeof(av), 1, f) == 1) {
		if (av.a_type == AT_BASE)
			image->loader_base = av.a_un.a_val;
		if (av.a_type == AT_ENTRY)
			image->entry = av.a_un.a_val;
	}
	if (f)
		fclose(f);
}

int image_load(struct image **out, pid_t pid, int mem)
{
	struct image *image = calloc(1, sizeof(*image));
	char name[64];
	FILE *maps;
	int err;

	if (!image)
		return -ENOMEM;
	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	maps = fopen(name, "re");
	err = maps ? read_maps(image, maps, mem) : -errno;
	if (maps)
		fclose(maps);
	if (err) {
		image_free(image);
		return err;
	}
	read_auxv(image, pid);
	*out = image;
	return 0;
}

const struct image_object *image_object(const struct image *image, size_t n)
{
	return n < image->count ? &image->objects[n] : NULL;
}

const struct image_object *image_at(const struct image *image, uint64_t addr)
{
	const struct image_object *found = NULL;

	/* the smallest: others may lie in a hole of the loader (objects.h) */
	for (size_t i = 0; i < image->count; i++) {
		const struct image_object *o = &image->objects[i];

		if (addr >= o->start && addr < o->end &&
		    (!found || o->end - o->start < found->end - found->start))
			found = o;
	}
	return found;
}

uint64_t image_function(const struct image_object *object, const char *name)
{
	for (size_t i = 0; i < object->symbol_count; i++)
		if (!object->symbols[i].ifunc && !strcmp(object->symbols[i].name, name))
			return object->symbols[i].addr;
	return 0;
}

uint64_t image_loader_base(const struct image *image)
{
	return image->loader_base;
}

uint64_t image_entry(const struct image *image)
{
	return image->entry;
}
