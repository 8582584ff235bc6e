// SPDX-License-Identifier: MIT
/*
 * cfi_epilogue.h - rows for musl's own code, which comes without call frame
 * information (epilogue.h).
 */
#ifndef PRELOAD_CFI_EPILOGUE_H
#define PRELOAD_CFI_EPILOGUE_H

#include "cfi_row.h"

/* The row for the instruction at @ip; see cfi_find_row(). */
enum cfi_kind cfi_row_by_epilogue(uintptr_t ip, struct cfi_row *row, bool *signal);

#endif
