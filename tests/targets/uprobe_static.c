// SPDX-License-Identifier: MIT
/* uprobe_static - the same as uprobe_heap, linked statically. */
#include "uprobe_heap.c"
