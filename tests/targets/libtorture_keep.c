// SPDX-License-Identifier: MIT
/* Nodes for torture.cc, with frame pointers. */
#define NODES torture_keep
#include "torture_nodes.h"
