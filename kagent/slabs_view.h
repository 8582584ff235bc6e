// SPDX-License-Identifier: MIT
/* slabs_view.h - the tables of kagent slabs. */
#ifndef KAGENT_SLABS_VIEW_H
#define KAGENT_SLABS_VIEW_H

#include "kagent/slabinfo.h"

#include <stdbool.h>
#include <stdio.h>

enum slabs_sort {
	SORT_NAME,
	SORT_ACTIVE,
	SORT_TOTAL,
	SORT_SIZE,
	SORT_PER_SLAB,
	SORT_PAGES,
	SORT_SLABS,
	SORT_USE,
	SORT_WASTE,
	SORT_FRAG,
	SORT_KB,
	SORT_COUNT
};

#define SLABS_WIDTH 105	/* columns of the whole table */

struct slabs_view {
	enum slabs_sort sort;
	bool compact;		/* few columns, and only caches that hold something */
	bool narrow;		/* no more than 80 columns */
	bool kib;		/* waste in KiB instead of bytes */
	size_t rows;		/* 0: all */
	const char *pattern;	/* glob; NULL: all */
};

/* 0, or -EINVAL: no such field. */
int slabs_sort_parse(const char *name, enum slabs_sort *sort);
const char *slabs_sort_name(enum slabs_sort sort);

/* Sorts the table's rows in place: figures falling, names rising. */
void slabs_sort(struct slab_table *t, enum slabs_sort sort);

/* Number of rows that the pattern selects. */
size_t slabs_matching(const struct slab_table *t, const struct slabs_view *v);

void slabs_print_summary(FILE *f, const struct slab_table *t);
void slabs_print_table(FILE *f, struct slab_table *t, const struct slabs_view *v);

/* One cache with all that sysfs knows. 0, -ENOENT or -errno. */
int slabs_print_detail(FILE *f, const struct slab_table *t, const char *name);

/* The full-screen table, until q or a signal; restores the terminal. An exit code. */
int slabs_watch(struct slabs_view *v, uint64_t interval_ns);

#endif
