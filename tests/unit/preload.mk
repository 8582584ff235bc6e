# SPDX-License-Identifier: MIT
# Unit tests of libleak.so's parts, which are compiled into the test.
unit-sampler-srcs := preload/sampler.c preload/clock.c preload/elf_object.c
unit-sampler-cflags := -D_GNU_SOURCE
unit-clock-srcs := preload/clock.c preload/elf_object.c
unit-clock-cflags := -D_GNU_SOURCE
unit-cfi-srcs := preload/cfi.c preload/cfi_row.c preload/cfi_expr.c preload/recipes.c preload/eh_frame.c \
	preload/objects.c preload/objects_listed.c preload/cfi_epilogue.c preload/epilogue.c preload/x86_insn.c
unit-epilogue-srcs := $(unit-cfi-srcs)
unit-epilogue-cflags := -D_GNU_SOURCE
unit-cfi-cflags := -D_GNU_SOURCE
unit-cfi-ldlibs := -Wl,--wrap=_dl_find_object
# The recorder without hooks and without a life of its own.
recorder-srcs = $(filter-out preload/hooks% preload/got.c preload/attach_target.c preload/lifecycle.c \
	preload/real% preload/session_open.c preload/fork_child.c preload/exit_report.c, \
	$(libleak-srcs))
unit-mmap_table-srcs = $(recorder-srcs)
unit-mmap_table-cflags := -D_GNU_SOURCE -ftls-model=initial-exec -fno-omit-frame-pointer
unit-config-srcs := preload/config.c
unit-config-cflags := -D_GNU_SOURCE
unit-shm-srcs := preload/shm.c preload/huge.c
unit-shm-cflags := -D_GNU_SOURCE
unit-live_table-srcs := preload/live_table.c preload/early_arena.c preload/huge.c
unit-live_table-cflags := -D_GNU_SOURCE
unit-stack_memo-srcs := preload/stack_memo.c
unit-stack_memo-cflags := -D_GNU_SOURCE
unit-records-srcs := preload/records.c preload/shm.c preload/huge.c preload/clock.c preload/elf_object.c
unit-records-cflags := -D_GNU_SOURCE
