// SPDX-License-Identifier: MIT
/*
 * libdl.h - what names mean to the dynamic loader. glibc before 2.34 has dlsym and its
 * kind in libdl, which a program need not have loaded: then the same is found in the
 * objects' symbol tables.
 *
 * Takes the loader's lock, as dlsym does. Allocates at most what dlsym does.
 */
#ifndef PRELOAD_LIBDL_H
#define PRELOAD_LIBDL_H

#include <stdbool.h>

/* The function of that name that the program would find, as by RTLD_DEFAULT. NULL: none. */
void *libdl_first(const char *name);

/* The one behind this library, as by RTLD_NEXT. */
void *libdl_next(const char *name);

/* One of a library that is loaded, but perhaps not where the above look. */
void *libdl_in(const char *library, const char *name);

/* Was this library loaded into a running program, rather than preloaded? */
bool libdl_loaded_late(void);

#endif
