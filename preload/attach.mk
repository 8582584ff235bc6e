# SPDX-License-Identifier: MIT
# memleak -p: the injector and its command side; the redirection inside libleak.so.
inject-srcs := inject.c inject_call.c inject_check.c inject_hold.c inject_image.c inject_load.c \
	inject_refusal.c inject_safe.c inject_stack.c inject_thread.c inject_unwind.c inject_why.c \
	epilogue.c x86_insn.c
memleak-srcs += $(addprefix preload/,attach.c keeper.c injections.c turn.c joined.c processes.c \
	$(inject-srcs))
memleak-ldlibs += -lunwind-generic
libleak-srcs += preload/got.c preload/elf_object.c preload/attach_target.c

unit-attach_inject-srcs := $(addprefix preload/,$(inject-srcs))
unit-attach_inject-ldlibs := -lunwind-generic
unit-refusal-srcs := $(unit-attach_inject-srcs)
unit-refusal-ldlibs := -lunwind-generic
