// SPDX-License-Identifier: MIT
/* objects.c - see objects.h. */
#include "objects.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "compiler.h"
#include "objects_listed.h"

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
