# SPDX-License-Identifier: MIT
# memleak -p: the injector and its command side; the redirection inside libleak.so.
memleak-srcs += $(addprefix preload/,attach.c keeper.c injections.c turn.c joined.c processes.c inject.c \
	inject_call.c inject_check.c inject_image.c inject_safe.c inject_stack.c \
	inject_thread.c inject_unwind.c inject_why.c)
memleak-ldlibs += -lunwind-generic
libleak-srcs += preload/got.c preload/elf_object.c preload/attach_target.c

unit-attach_inject-srcs := $(addprefix preload/,inject.c inject_call.c inject_check.c \
	inject_image.c inject_safe.c inject_stack.c inject_thread.c inject_unwind.c inject_why.c)
unit-attach_inject-ldlibs := -lunwind-generic
