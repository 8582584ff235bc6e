# SPDX-License-Identifier: MIT
# Unit tests of libleak.so's parts, which are compiled into the test.
unit-sampler-srcs := preload/sampler.c preload/clock.c
unit-sampler-cflags := -D_GNU_SOURCE
unit-cfi-srcs := preload/cfi.c preload/cfi_row.c preload/cfi_expr.c preload/recipes.c
unit-cfi-cflags := -D_GNU_SOURCE
unit-cfi-ldlibs := -Wl,--wrap=_dl_find_object
