# SPDX-License-Identifier: MIT
# The sessions that the tests of the HTML report look at.
html-sessions := $(O)/targets/html-sessions
check-deps += $(html-sessions)

$(html-sessions): tests/browser/sessions.c tests/support/sample.c $(O)/libcommon.a $(O)/flags
	@mkdir -p $(@D)
	@$(call say,CCLD,$@)
	$(Q)$(call compile-c,$(san-flags)) -o $@ $(filter-out %/flags,$^)
