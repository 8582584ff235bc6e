# SPDX-License-Identifier: MIT
# What torture.cc is made of. Optimized, unlike other targets: it needs tail calls,
# frames without frame pointers, and code like that of real programs.
targets-torture-cflags := -O2
targets-torture-ldlibs := tests/targets/torture_asm.S
$(O)/targets/torture: tests/targets/torture_asm.S
targets-libtorture_omit-cflags := -O2 -fomit-frame-pointer
targets-libtorture_keep-cflags := -O1 -fno-omit-frame-pointer
# Without unrolling and inlining, so that both differ in nothing but the frames' sizes.
targets-libtorture_near-cflags := -O1 -fomit-frame-pointer
targets-libtorture_away-cflags := -O1 -fomit-frame-pointer
