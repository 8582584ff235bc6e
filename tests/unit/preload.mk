# SPDX-License-Identifier: MIT
# Unit tests of libleak.so's parts, which are compiled into the test.
unit-sampler-srcs := preload/sampler.c preload/clock.c
unit-sampler-cflags := -D_GNU_SOURCE
