# SPDX-License-Identifier: MIT
# What only probes can be put into.
targets-uprobe_static-ldlibs := -static
