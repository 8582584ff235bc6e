// SPDX-License-Identifier: MIT
/*
 * dwarf_lines.h - source lines and inlined functions of an address, from DWARF.
 *
 * libdw's own look-up by address needs .debug_aranges, which clang does not
 * write, and walks a whole compilation unit for each address; here the ranges of
 * the units, and of the functions in the units that are asked for, are kept
 * sorted. Addresses are those of the debug information. Not thread-safe.
 */
#ifndef REPORT_DWARF_LINES_H
#define REPORT_DWARF_LINES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dwarf_lines;

/* One function at an address; strings belong to the Dwarf. */
struct dwarf_call {
	const char *function;	/* linkage name if it has one; NULL: unknown */
	const char *file;	/* NULL: unknown */
	uint32_t line;		/* 0: unknown */
	bool inlined;
	uint64_t start;		/* of the function, unless inlined; 0: unknown */
};

#define DWARF_CALLS_MAX 32

/* NULL: no memory. Does not own dw. */
struct dwarf_lines *dwarf_lines_new(Dwarf *dw);
void dwarf_lines_free(struct dwarf_lines *dl);	/* NULL is allowed */

/*
 * What is at addr: inlined functions, innermost first, then the function that
 * really is there. Returns how many (0: nothing known).
 */
size_t dwarf_lines_find(struct dwarf_lines *dl, uint64_t addr,
			struct dwarf_call calls[DWARF_CALLS_MAX]);

#endif
