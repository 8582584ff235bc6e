# SPDX-License-Identifier: MIT
# On Debian's 6.1 kernel in a virtual machine: part of make check, alone as make check-vm.
check-packages += qemu-system-x86 busybox-static cpio kmod linux-image-cloud-amd64 \
	linux-headers-cloud-amd64 libbpf-tools
vm-targets += vm-run

vm-run: targets $(O)/unit/clock
	$(Q)O=$(O) tests/run tests/vm/kagent_vm.test
.PHONY: vm-run
