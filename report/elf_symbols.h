// SPDX-License-Identifier: MIT
/*
 * elf_symbols.h - the functions of an ELF file: .symtab, .dynsym, the symbols of
 * a separate debug file (by build-id or .gnu_debuglink, under /usr/lib/debug or
 * from debuginfod when DEBUGINFOD_URLS is set) and .gnu_debugdata, all through
 * elfutils' libdwfl. Addresses are those in the file (p_vaddr), not in a process.
 *
 * Not thread-safe. Strings live as long as the elf_symbols.
 */
#ifndef REPORT_ELF_SYMBOLS_H
#define REPORT_ELF_SYMBOLS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_symbols;

/*
 * Opens a file and checks that it has the given build-id (len 0: any will do).
 * 0, -ESTALE: another build-id or none, or being rewritten, -ENOEXEC: no usable ELF file,
 * -ENOMEM, -ENOENT and other errors of open(2).
 */
int elf_symbols_open(const char *path, const uint8_t *build_id, size_t len,
		     struct elf_symbols **out);
void elf_symbols_close(struct elf_symbols *es);	/* NULL is allowed */

/* Has the file been written to since? What it said meanwhile may be anything. */
bool elf_symbols_changed(const struct elf_symbols *es);

/* The mangled name of the function at addr and where it begins; NULL: none known. */
const char *elf_symbols_find(const struct elf_symbols *es, uint64_t addr, uint64_t *start);

/* The debugging information and what to subtract from addresses for it, or NULL. */
Dwarf *elf_symbols_dwarf(struct elf_symbols *es, uint64_t *bias);

#endif
