# SPDX-License-Identifier: MIT
# `make check-arm64`: libleak.so cross-compiled, and a few targets traced under qemu.
arm64-packages := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user

.PHONY: check-arm64
check-arm64:
	$(if $(filter no,$(SETUP)),,$(Q)scripts/setup $(check-packages) $(arm64-packages))
	$(Q)tests/arm64/libunwind $(O)/arm64
	$(sub-make) $(O)/leakreport
	$(Q)O=$(O) tests/run tests/arm64/portable.test
