# SPDX-License-Identifier: MIT
# What kagent costs: part of make bench.
bench-targets += bench-kagent
bench-packages += jq

$(O)/bench/open_close: tests/bench/open_close.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -o $@ $<

bench-kagent: $(O)/kagent $(O)/bench/open_close
	$(Q)O=$(O) tests/bench/kagent_cost.sh
.PHONY: bench-kagent
