// SPDX-License-Identifier: MIT
/* Nodes for torture.cc, unloaded and replaced by the other one's. */
#define PADDING 72
#include "torture_plugin.h"
