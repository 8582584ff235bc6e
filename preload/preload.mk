# SPDX-License-Identifier: MIT
# libleak.so, the shim. It links nothing of common/: it must not allocate.

libleak-srcs += $(addprefix preload/,hooks.c hooks_new.c hooks_mmap.c hooks_exit.c hooks_user.c real.c real_musl.c \
	early_arena.c recorder.c records.c sites.c live_table.c huge.c mmap_table.c sampler.c \
	stack_capture.c stack_memo.c stack_table.c recipes.c cfi.c cfi_row.c cfi_expr.c cfi_epilogue.c eh_frame.c epilogue.c x86_insn.c modules.c \
	module_watch.c thread_state.c shm.c clock.c config.c session_open.c lifecycle.c fork_child.c \
	exit_report.c trace_ring.c overhead.c sampling.c libc.c libdl.c objects.c objects_listed.c)

# Linked in the order of their variables in memory: what every program's start uses is
# first, so that it is on few pages; files with large tables are last.
libleak-first := $(addprefix preload/,lifecycle.c libc.c libdl.c real.c objects.c clock.c live_table.c huge.c \
	overhead.c thread_state.c sampling.c trace_ring.c mmap_table.c stack_table.c shm.c config.c \
	recorder.c records.c sites.c)
libleak-last := $(addprefix preload/,exit_report.c session_open.c sampler.c recipes.c module_watch.c \
	objects_listed.c early_arena.c got.c attach_target.c)
libleak-srcs := $(libleak-first) $(filter-out $(libleak-first) $(libleak-last),$(libleak-srcs)) \
	$(libleak-last)

ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
libleak-srcs += preload/frame_step_x86_64.c

# Its references to the C library name no versions, which older ones would lack (libc.h):
# it is linked to a library of that name with nothing in it.
libc-name := $(O)/gen/libc.so.6
libleak-ldlibs += -nostdlib -Wl,-z,undefs,--no-as-needed $(libc-name) -lgcc
define libleak-libc-rules
$(libc-name):
	@mkdir -p $$(@D)
	$$(Q)$(CC) -shared -nostdlib $(LDFLAGS) -Wl,-soname,libc.so.6 -o $$@ -xc /dev/null
$(O)/libleak.so: $(libc-name)
endef
late-rules += libleak-libc-rules
else
libleak-srcs += preload/frame_step_generic.c
libleak-ldlibs += -lunwind -pthread
endif
# Fortified functions are not in musl, nor strtoul() as newer glibc has it (libc.h).
libleak-cflags += -D_GNU_SOURCE -U_FORTIFY_SOURCE
