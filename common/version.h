// SPDX-License-Identifier: MIT
/* version.h - the version of the whole suite. */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#define MEMLEAK_VERSION "0.1.0"

#endif
