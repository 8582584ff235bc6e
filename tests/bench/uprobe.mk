# SPDX-License-Identifier: MIT
# Part of `make bench`: malloc and free under uprobes, and under libleak.so.
bench-targets += bench-uprobe
bench-packages += bpftrace

bench-uprobe: bench-programs $(products)
	$(Q)O=$(O) RUNS=$(RUNS) tests/bench/uprobe.sh
.PHONY: bench-uprobe
