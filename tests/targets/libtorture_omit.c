// SPDX-License-Identifier: MIT
/* Nodes for torture.cc, without frame pointers. */
#define NODES torture_omit
#include "torture_nodes.h"
