# SPDX-License-Identifier: MIT
# kagent: the kernel's objects. BPF sources become skeletons in $(O)/gen.
bpf-objects := slab verdict idle uprobe
bpf-skeletons := $(bpf-objects:%=$(O)/gen/%.skel.h)
bpf-includes := -I. -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
bpf-arch := $(patsubst x86_64%,x86,$(patsubst aarch64%,arm64,$(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)))
bpf-cflags := -target bpf -D__TARGET_ARCH_$(bpf-arch) -mcpu=v3 -O2 -g -Wall -Wshadow $(if $(filter -Werror,$(warnings)),-Werror)

kagent-srcs += $(addprefix kagent/,kagent.c cmd_common.c cmd_track.c cmd_top.c cmd_procs.c cmd_slabs.c \
	cmd_import.c track_options.c view.c groups.c capture.c capture_caches.c tracer.c tracer_maps.c verdict.c features.c ksyms.c \
	symbols.c userspace.c elfid.c procinfo.c session_out.c cachenames.c slabinfo.c slabs_view.c \
	slabs_watch.c slabs_growth.c import.c import_kmemleak.c import_allocinfo.c import_slub.c stop.c \
	idle.c bpf_run.c map_walk.c cmd_uprobe.c uprobe_options.c allocator.c allocator_choice.c process_image.c heap_tracer.c \
	heap_session.c heap_probes.c heap_inherited.c heap_regions.c heap_overhead.c \
	heap_family.c family_members.c family_sessions.c family_probes.c code_layouts.c trace_events.c \
	uprobe_link.c unwind_rows.c \
	totals_out.c)
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

unit-k_parsers-srcs += $(addprefix kagent/,slabinfo.c cachenames.c ksyms.c import.c import_kmemleak.c \
	import_allocinfo.c import_slub.c slabs_growth.c stop.c cmd_common.c)
