# SPDX-License-Identifier: MIT
# kagent: the kernel's objects. BPF sources become skeletons in $(O)/gen.
bpf-objects := slab verdict
bpf-skeletons := $(bpf-objects:%=$(O)/gen/%.skel.h)
bpf-includes := -I. -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
bpf-cflags := -target bpf -mcpu=v3 -O2 -g -Wall -Wshadow $(if $(filter -Werror,$(warnings)),-Werror)

kagent-srcs += $(addprefix kagent/,features.c ksyms.c tracer.c verdict.c)
kagent-deps += $(bpf-skeletons)
kagent-ldlibs += -lbpf -lelf -lz

$(O)/gen/%.bpf.o: kagent/%.bpf.c $(O)/flags
	@mkdir -p $(@D)
	@$(call say,BPF,$@)
	$(Q)$(CLANG) $(bpf-cflags) $(bpf-includes) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.tmp $<
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp
-include $(bpf-objects:%=$(O)/gen/%.bpf.d)

$(O)/gen/%.skel.h: $(O)/gen/%.bpf.o
	@$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* >$@.tmp && mv $@.tmp $@
.PRECIOUS: $(O)/gen/%.bpf.o
