# SPDX-License-Identifier: MIT
# libleak-musl.so: libleak.so for memleak -p on musl, whose dlopen takes no initial-exec
# TLS. It needs no library by name, and is compiled like the other: with this system's C
# library (preload/libc.h).
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
libleak-musl-srcs = $(libleak-srcs)
# TLS descriptors, where the compiler has them: an access keeps nearly all registers
libleak-musl-tls := $(shell $(CC) -mtls-dialect=gnu2 -xc -c -o /dev/null /dev/null 2>/dev/null && \
	echo -mtls-dialect=gnu2)
libleak-musl-cflags = $(filter-out -ftls-model=%,$(libleak-cflags)) $(libleak-musl-tls) -DLEAK_DYNAMIC_TLS

define libleak-musl-rules
$(call compile-rules,libleak-musl,)
$(O)/libleak-musl.so: $$(libleak-musl-objs) $(libleak-map)
	@$$(call say,LD,$$@)
	$$(Q)$(CC) -shared -nostdlib $(LDFLAGS) -Wl,-z,undefs,-z,now,-z,relro,-z,noseparate-code \
		-Wl,-soname,libleak-musl.so -Wl,--version-script=$(libleak-map) -o $$@ $$(libleak-musl-objs) -lgcc
endef
late-rules += libleak-musl-rules
libraries += $(O)/libleak-musl.so
endif
