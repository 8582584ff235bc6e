# SPDX-License-Identifier: MIT
# `make bench`: speed, side by side with other tools, in one run. BENCH="pairs threads ..."
# chooses parts, RUNS=N how many alternating runs the medians are of.

bench-packages += sqlite3 libxml2-utils redis-server redis-tools python3 g++ valgrind bc
bench-targets += bench-run
BENCH ?=
RUNS ?= 5

# Call sites that look alike must stay apart: each is a stack of its own.
$(O)/bench/pairs: tests/bench/pairs.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -fno-builtin -fno-optimize-sibling-calls -fno-inline -pthread \
		$(if $(findstring clang,$(CC)),,-fno-crossjumping -fno-code-hoisting -fno-tree-tail-merge) -o $@ $<
$(O)/bench/passthrough.so: tests/bench/passthrough.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -fPIC -shared -o $@ $< -ldl
$(O)/bench/once: tests/bench/once.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -fno-builtin -o $@ $<
$(O)/bench/spawn: tests/bench/spawn.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -o $@ $<

.PHONY: bench-run bench-programs
bench-programs: $(addprefix $(O)/bench/,pairs once spawn passthrough.so)
bench-run: bench-programs $(products)
	$(Q)O=$(O) RUNS=$(RUNS) tests/bench/run $(BENCH)
