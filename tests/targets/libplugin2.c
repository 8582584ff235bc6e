// SPDX-License-Identifier: MIT
/* The same library with another name of the leaking function: see dlclose.c. */
#define PLUGIN_LEAK leak_in_other_plugin
#include "libplugin.c"
