// SPDX-License-Identifier: MIT
/*
 * unwind_rows.h - the call frame information of an ELF file (.eh_frame, found through
 * .eh_frame_hdr) as a table that uprobe.bpf.c can search. Sources: DWARF 5 6.4, Linux
 * Standard Base 5.0 "Exception Frames", x86-64 psABI 3.6.
 *
 * The file is untrusted. One thread at a time. x86-64 only: elsewhere there are no rows.
 */
#ifndef KAGENT_UNWIND_ROWS_H
#define KAGENT_UNWIND_ROWS_H

#include "kagent/uprobe_events.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The rows of the file, by address; that is counted from base, the address (in the
 * file's own terms) where it is mapped first. The caller frees *rows. 0; -ENOENT: it
 * has none; or -errno.
 */
int unwind_rows_read(const char *path, uint64_t base, struct ku_row **rows, size_t *count);

#endif
