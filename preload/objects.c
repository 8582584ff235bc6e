// SPDX-License-Identifier: MIT
/* objects.c - see objects.h. */
#include "objects.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "compiler.h"
#include "objects_listed.h"

struct object objects_range(uintptr_t bias, const ElfW(Phdr) *ph, unsigned int n)
{
	struct object o = { .start = UINTPTR_MAX, .bias = bias };
	bool code = false;

	for (unsigned int i = 0; i < n; i++) {
		uintptr_t start = (bias + ph[i].p_vaddr) & ~4095ul;
		uintptr_t end = (bias + ph[i].p_vaddr + ph[i].p_memsz + 4095) & ~4095ul;

		if (ph[i].p_type != PT_LOAD || (start > o.end && code && !(ph[i].p_flags & PF_X)))
			continue;
		if (start > o.end && !code)
			o.start = start;
		if (end > o.end)
			o.end = end;
		code = code || (ph[i].p_flags & PF_X);
	}
	return o.start < o.end ? o : (struct object){ .bias = bias };
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE

WEAK_IMPORT(_dl_find_object);

void objects_init(void)
{
	if (!_dl_find_object)
		objects_list();
}

void objects_unloaded(void)
{
	if (!_dl_find_object)
		objects_unloaded_listed();
}

bool objects_find(uintptr_t addr, struct object *o)
{
	struct dl_find_object found;

	if (!_dl_find_object)
		return objects_find_listed(addr, o);
	if (_dl_find_object((void *)addr, &found) != 0)
		return false;
	*o = (struct object){
		.start = (uintptr_t)found.dlfo_map_start,
		.end = (uintptr_t)found.dlfo_map_end,
		.bias = found.dlfo_link_map->l_addr,
		.frames = found.dlfo_eh_frame,
		.id = found.dlfo_link_map,
		.name = found.dlfo_link_map->l_name,
	};
	return true;
}

#else	/* the C library that this is built with has not got it */

void objects_init(void)
{
	objects_list();
}

void objects_unloaded(void)
{
	objects_unloaded_listed();
}

bool objects_find(uintptr_t addr, struct object *o)
{
	return objects_find_listed(addr, o);
}

#endif
