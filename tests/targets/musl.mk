# SPDX-License-Identifier: MIT
# Targets once more, linked to musl: $(O)/targets/musl/NAME, for tests/e2e/musl*.test.
check-packages += musl-tools
MUSL_CC ?= musl-gcc
musl-targets := attach_family attach_handler attach_ledger attach_storm errno_kept exact exact_mmap \
	exits forks late_free libattach_late libplugin libplugin2 memleak_static musl_frames \
	signal_alloc storm threads
# musl has no pvalloc; Linux's headers are the system's.
musl-flags := -Dpvalloc=valloc -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -dumpmachine)
targets-musl/musl_frames-cflags := -O2 -fomit-frame-pointer
targets-musl/memleak_static-cflags := -static

define musl-rule
-include $(O)/targets/musl/$(1).d
$(O)/targets/musl/$(1)$(if $(filter lib%,$(1)),.so): tests/targets/$(1).c $(O)/flags
	@mkdir -p $$(@D)
	@$$(call say,MUSLCC,$$@)
	$$(Q)$(MUSL_CC) $(base-cppflags) $(base-cflags) $$(target-flags) $(musl-flags) \
		$(if $(filter lib%,$(1)),-fPIC -shared) $$(targets-musl/$(1)-cflags) -o $$@ $$<
targets: $(O)/targets/musl/$(1)$(if $(filter lib%,$(1)),.so)
endef
define musl-rules
$$(foreach t,$$(musl-targets),$$(eval $$(call musl-rule,$$(t))))
endef
ifneq ($(shell command -v $(MUSL_CC) 2>/dev/null),)
late-rules += musl-rules
endif
