# SPDX-License-Identifier: MIT
# Part of `make bench`: how long a report over a large session takes.
bench-targets += bench-report
bench-packages += time binutils

$(O)/bench/big_session: tests/bench/big_session.c tests/support/sample.c $(O)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(call compile-c,) -o $@ $^

.PHONY: bench-report
bench-report: $(O)/bench/big_session $(O)/leakreport
	$(Q)O=$(O) tests/bench/report
