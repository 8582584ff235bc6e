# SPDX-License-Identifier: MIT
# Unit tests (tests/unit/NAME.c, cmocka) and the small programs that the end-to-end
# tests trace (tests/targets/NAME.c or .cc; libNAME.c: a shared library).

unit-tests += $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
target-libs += $(patsubst tests/targets/%.c,%,$(wildcard tests/targets/lib*.c))
targets += $(filter-out $(target-libs),$(basename $(notdir $(wildcard tests/targets/*.c*))))

check-packages += g++ clang libclang-rt-14-dev libcmocka-dev strace gdb git jq procps util-linux
check-packages += sqlite3 libxml2-utils redis-server redis-tools nginx-light perl python3 nodejs
check-packages += libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 man-db bsdextrautils memcached
bench-packages += heaptrack google-perftools libgoogle-perftools-dev

# clang has sized delete only on request.
targets-exact_cxx-cflags := -fsized-deallocation

unit-programs = $(unit-tests:%=$(O)/unit/%)
target-programs = $(targets:%=$(O)/targets/%) $(target-libs:%=$(O)/targets/%.so)
# $(1) test: tests/unit/NAME.c and unit-NAME-srcs, linked with both archives
define unit-rule
unit-$(1)-srcs += tests/unit/$(1).c
$$(eval $$(call compile-rules,unit-$(1),san-flags))
$(O)/unit/$(1): $$(unit-$(1)-objs) $$(archives)
	@mkdir -p $$(@D)
	@$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) $$(san-flags) -pthread -o $$@ $$(unit-$(1)-objs) $$(archives) \
		$$(unit-$(1)-ldlibs) $$(archive-ldlibs) -lcmocka
endef
# Fragments are read in any order: the rules are made when all have been.
define tests-rules
unit: $$(unit-programs)
targets: $$(target-programs)
$$(foreach t,$$(unit-tests),$$(eval $$(call unit-rule,$$(t))))
$$(foreach t,$$(targets),$$(eval $$(call target-rule,$$(t))))
$$(foreach t,$$(target-libs),$$(eval $$(call target-lib-rule,$$(t))))
endef

# Targets are never sanitized: they run under the shim. Unoptimized, so that each
# function of the source has its frame and each allocation is really made.
target-flags := -g -O0 -fno-builtin
define target-rule
-include $(O)/targets/$(1).d
ifneq ($$(wildcard tests/targets/$(1).cc),)
$(O)/targets/$(1): tests/targets/$(1).cc $(O)/flags
	@mkdir -p $$(@D)
	@$$(call say,CXXLD,$$@)
	$$(Q)$(CXX) $(base-cppflags) $(base-cxxflags) $$(target-flags) $$(targets-$(1)-cflags) \
		-o $$@ $$< $$(targets-$(1)-ldlibs)
else
$(O)/targets/$(1): tests/targets/$(1).c $(O)/flags
	@mkdir -p $$(@D)
	@$$(call say,CCLD,$$@)
	$$(Q)$(CC) $(base-cppflags) $(base-cflags) $$(target-flags) $$(targets-$(1)-cflags) \
		-o $$@ $$< $$(targets-$(1)-ldlibs)
endif
endef

define target-lib-rule
-include $(O)/targets/$(1).d
$(O)/targets/$(1).so: tests/targets/$(1).c $(O)/flags
	@mkdir -p $$(@D)
	@$$(call say,CCLD,$$@)
	$$(Q)$(CC) $(base-cppflags) $(base-cflags) $$(target-flags) -fPIC -shared \
		$$(targets-$(1)-cflags) -o $$@ $$< $$(targets-$(1)-ldlibs)
endef
