// SPDX-License-Identifier: MIT
/*
 * ksyms.h - names of kernel addresses, from /proc/kallsyms (functions of the
 * kernel, its modules and BPF programs). One thread at a time.
 */
#ifndef KAGENT_KSYMS_H
#define KAGENT_KSYMS_H

#include <stdint.h>

struct ksyms;

struct ksym {
	const char *name;	/* owned by the table */
	const char *module;	/* "" for the kernel itself */
	uint64_t start;
};

/*
 * Reads a file in the form of /proc/kallsyms (kernel/kallsyms.c, s_show()), and one in
 * that of /proc/modules (proc(5)), NULL: none, which says where modules end: what lies
 * beyond, such as a module's initialization when it is over, has no name any more.
 * 0, -EPERM: addresses are hidden (kptr_restrict), -EINVAL: no line of that form, or
 * -errno.
 */
int ksyms_load(const char *kallsyms, const char *modules, struct ksyms **out);
void ksyms_free(struct ksyms *k);	/* NULL is allowed */

/* The function that holds addr; 0, or -ENOENT. */
int ksyms_find(const struct ksyms *k, uint64_t addr, struct ksym *sym);

/* The address of a data symbol of the running kernel; 0, or -ENOENT and *addr is 0. */
int ksyms_data_address(const char *name, uint64_t *addr);

#endif
