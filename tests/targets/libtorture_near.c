// SPDX-License-Identifier: MIT
/* Nodes for torture.cc, unloaded and replaced by the other one's. */
#define PADDING 24
#include "torture_plugin.h"
