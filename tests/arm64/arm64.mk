# SPDX-License-Identifier: MIT
# libleak.so cross-compiled, and a few targets traced under qemu: tests/arm64/portable.test.
check-packages += gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
arm64-libunwind := $(O)/arm64/root/usr/include/aarch64-linux-gnu/libunwind.h
check-deps += $(arm64-libunwind)

# Not every mirror has arm64's packages: the test then says that it is skipped.
$(arm64-libunwind):
	$(if $(filter no,$(SETUP)),,$(Q)tests/arm64/libunwind $(O)/arm64 || true)
