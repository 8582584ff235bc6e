# SPDX-License-Identifier: MIT
# Targets linked to glibc 2.31, which is fetched from Debian's archive: built and run by
# tests/e2e/old_glibc.test.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
old-glibc := $(O)/old-glibc/root
check-deps += $(old-glibc)

# Not every mirror has it: the test then says that it is skipped.
$(old-glibc):
	$(if $(filter no,$(SETUP)),,$(Q)tests/old_glibc/fetch $(O)/old-glibc || true)
endif
