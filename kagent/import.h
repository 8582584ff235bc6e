// SPDX-License-Identifier: MIT
/*
 * import.h - sessions from what the kernel's own debug facilities know.
 *
 * These name functions, not addresses (or hide the addresses): each distinct
 * frame gets an address of the import's own, under which its name is recorded.
 */
#ifndef KAGENT_IMPORT_H
#define KAGENT_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#define IMPORT_FRAMES	64
#define IMPORT_NAME	256

struct import_frame {
	char name[IMPORT_NAME];
	char module[64];	/* "": the kernel */
	char file[IMPORT_NAME];	/* "": unknown */
	uint64_t offset;
	uint32_t line;
};

/* Equal allocations: one stack, `count` live objects. */
struct import_site {
	struct import_frame frame[IMPORT_FRAMES];
	uint32_t depth;
	uint64_t count, bytes;	/* all together */
	uint64_t age_ns;
	uint64_t addr;		/* of a single object, 0: unknown */
	char cache[64];		/* "": unknown */
	char comm[16];
	uint32_t pid;		/* 0: unknown */
};

struct import;

int import_new(const char *path, struct import **out); /* the session to write; 0 or -errno */
int import_add(struct import *im, const struct import_site *site);
/* Single objects are not known or too many: the session has totals per stack only. */
void import_totals_only(struct import *im);
int import_finish(struct import *im);	/* writes the session; 0 or -errno. Frees im */
void import_abort(struct import *im);	/* NULL is allowed */

/* "name+0x12/0x40 [module]" (%pS); 0 or -EINVAL. */
int import_parse_symbol(const char *text, struct import_frame *f);

/*
 * The parsers: a whole file's text, which they change. 0, -EINVAL: not of that
 * form, or -errno. Formats: mm/kmemleak.c print_unreferenced(), lib/alloc_tag.c
 * allocinfo_show(), mm/slub.c slab_debugfs_show().
 */
int import_kmemleak(struct import *im, char *text);
int import_allocinfo(struct import *im, char *text);
/* hz: of the kernel, for ages in jiffies */
int import_slub_traces(struct import *im, char *text, const char *cache, uint32_t object_size,
		       unsigned hz);

#endif
