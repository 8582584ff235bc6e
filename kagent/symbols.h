// SPDX-License-Identifier: MIT
/*
 * symbols.h - kernel addresses that occurred in stacks, resolved once, when they
 * are first seen: a module that is unloaded later keeps its names.
 * One thread at a time.
 */
#ifndef KAGENT_SYMBOLS_H
#define KAGENT_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

struct symbol {
	uint64_t addr;		/* a return address */
	uint64_t offset;	/* into the function */
	const char *name;	/* "" when it has none; owned by the table */
	const char *module;	/* "" for the kernel */
};

/* `kallsyms` is read when an address is first to be resolved. */
int symbols_open(const char *kallsyms, struct symbols **out);
void symbols_close(struct symbols *s);	/* NULL is allowed */

/*
 * Resolves an address that may be new, 0 or -errno (-EPERM: the kernel hides its
 * addresses). An address that kallsyms doesn't know stays nameless.
 */
int symbols_add(struct symbols *s, uint64_t addr);

/* Between two rounds of adding: kallsyms is read again when it may have changed. */
void symbols_new_round(struct symbols *s);

size_t symbols_count(const struct symbols *s);
struct symbol symbols_get(const struct symbols *s, size_t index);

/* The symbol of an address that was added, or NULL-named ("") if it wasn't. */
struct symbol symbols_find(const struct symbols *s, uint64_t addr);

#endif
