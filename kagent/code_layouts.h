// SPDX-License-Identifier: MIT
/*
 * code_layouts.h - tells the programs of uprobe.bpf.c how the code of each image is
 * unwound: rows of call frame information once per file, and where each image has which
 * files mapped. One thread at a time.
 */
#ifndef KAGENT_CODE_LAYOUTS_H
#define KAGENT_CODE_LAYOUTS_H

#include "kagent/process_image.h"
#include "kagent/uprobe_events.h"

#include <stddef.h>
#include <stdint.h>

struct code_layouts;
struct uprobe;

struct code_layouts *code_layouts_new(void);	/* NULL: no memory */
void code_layouts_free(struct code_layouts *c);	/* NULL is allowed */

/* Reads the rows of the files that are mapped, if they are new; how many there are of all. */
size_t code_layouts_read(struct code_layouts *c, struct process_image *p);

/* The programs are loaded, with room for so many rows: from now on they are told. 0 or -errno. */
int code_layouts_begin(struct code_layouts *c, const struct uprobe *skel, uint32_t max_rows);

/*
 * The stacks of an image are unwound by the rows of these modules from now on; in code
 * without rows, and where there is no room for them, by frame pointers. 0 or -errno.
 */
int code_layouts_set(struct code_layouts *c, uint32_t image, struct process_image *p);

/* A forked image begins with what the programs found in its parent; or one has ended. */
void code_layouts_join(struct code_layouts *c, uint32_t image);
void code_layouts_leave(struct code_layouts *c, uint32_t image);

#endif
