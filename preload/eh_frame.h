// SPDX-License-Identifier: MIT
/*
 * eh_frame.h - .eh_frame without .eh_frame_hdr, the table that leads into it: musl-gcc
 * links programs that way. It is known by its first entry, as GNU's and LLVM's
 * assemblers begin it for x86-64. Format: Linux Standard Base 5.0, 10.6.1.
 */
#ifndef PRELOAD_EH_FRAME_H
#define PRELOAD_EH_FRAME_H

#include <stdint.h>

/* Where it begins in [from, to), which can be read; NULL: there is none. */
const uint8_t *eh_frame_search(const uint8_t *from, const uint8_t *to);

/* Its entry for @pc; NULL: there is none. To be parsed with care. */
const uint8_t *eh_frame_entry(const uint8_t *section, const uint8_t *to, uintptr_t pc);

#endif
