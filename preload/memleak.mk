# SPDX-License-Identifier: MIT
# memleak: the command that launches a program and watches it.
memleak-srcs += $(addprefix preload/,memleak.c settings.c settings_paths.c words.c watch.c live_view.c live_kernel.c threads_view.c growth.c beside.c \
	engine.c probes.c held.c kagent_child.c \
	follow.c outer_pid.c trace_view.c late_signals.c launch.c orphans.c program.c library.c private_dir.c)
targets-memleak_static-ldlibs := -static
unit-words-srcs := preload/words.c
unit-follow-srcs := preload/follow.c preload/outer_pid.c
