# SPDX-License-Identifier: MIT
# libleak-check.so: libleak.so with every stack compared with full walks (stack_check.h).
# For the tests; not installed. libgcc's walker is linked in by name: libunwind exports
# functions of the same names.
libleak-check-srcs = $(libleak-srcs) preload/stack_check.c
libleak-check-cflags = $(libleak-cflags) -DLEAK_CHECK
libleak-check-ldlibs := -l:libgcc_eh.a -lunwind

define libleak-check-rules
$(call compile-rules,libleak-check,)
$(O)/libleak-check.so: $$(libleak-check-objs) $(libleak-map)
	@$$(call say,LD,$$@)
	$$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libleak.so -Wl,-z,now,-z,relro,-z,noseparate-code,--no-undefined \
		-Wl,--version-script=$(libleak-map) -pthread -o $$@ $$(libleak-check-objs) \
		$$(libleak-check-ldlibs)
endef
late-rules += libleak-check-rules
check-deps += $(O)/libleak-check.so
