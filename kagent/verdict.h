// SPDX-License-Identifier: MIT
/*
 * verdict.h - is an object that was never seen freed still allocated? Asks the
 * slabs themselves, see verdict.bpf.c. One thread at a time.
 */
#ifndef KAGENT_VERDICT_H
#define KAGENT_VERDICT_H

#include "kagent/slab_events.h"

#include <stdbool.h>
#include <stddef.h>

struct verdicts;

/* Loads the programs. 0 or -errno: no verdicts on this kernel. */
int verdicts_open(bool kfunc, struct verdicts **out);
void verdicts_close(struct verdicts *v);	/* NULL is allowed */

/* Where the page of an address is found; map0 is 0 when it couldn't be told. */
struct ka_pages verdicts_pages(const struct verdicts *v);

/*
 * Fills in check[].verdict. Sorted by address it is fastest: objects of one
 * slab are then answered by one look at it. 0 or -errno.
 */
int verdicts_check(struct verdicts *v, struct ka_check *check, size_t count);

#endif
