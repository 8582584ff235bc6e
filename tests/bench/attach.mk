# SPDX-License-Identifier: MIT
# Part of `make bench`: what attaching costs.
bench-targets += bench-attach

bench-attach: $(products) $(O)/targets/attach_storm
	$(Q)O=$(O) tests/bench/attach.sh
.PHONY: bench-attach
