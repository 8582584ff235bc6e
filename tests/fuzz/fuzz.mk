# SPDX-License-Identifier: MIT
# make fuzz: each target runs FUZZ_TIME seconds from seeds that the session writer made.
# A finding is left in $(O)/fuzz as crash-*, to be replayed with $(O)/fuzz/TARGET FILE.
FUZZ_TIME ?= 60

fuzz-targets += fuzz-session fuzz-elf fuzz-jit fuzz-code
.PHONY: fuzz-session fuzz-elf fuzz-jit fuzz-code

fuzz-dir := $(O)/fuzz
fuzz-flags := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
fuzz-run = cd $(fuzz-dir) && UBSAN_OPTIONS=print_stacktrace=1 ./$(1) -max_total_time=$(FUZZ_TIME) \
	-timeout=20 -rss_limit_mb=2048 -max_len=131072 -print_final_stats=1 $(2)

# The data of the HTML page is, but not the page around it, which is generated; and no server.
fuzz-preload := preload/epilogue.c preload/x86_insn.c
fuzz-srcs = $(fuzz-preload) $(common-srcs) $(filter-out report/html.c report/html_page.c report/outputs.c \
	report/serve% report/live_server.c,$(report-srcs))

$(fuzz-dir)/%: tests/fuzz/%.c tests/support/exercise.c $(fuzz-srcs) $(O)/flags
	@mkdir -p $(@D)
	@$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(base-cppflags) $(base-cflags) $(fuzz-flags) -fsanitize=fuzzer -o $@ $< \
		tests/support/exercise.c $(fuzz-srcs) $(archive-ldlibs)

$(fuzz-dir)/seeds: tests/fuzz/seeds.c tests/support/sample.c $(O)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(call compile-c,) -o $@ $^

$(fuzz-dir)/corpus: $(fuzz-dir)/seeds
	@mkdir -p $@
	$(Q)$< $@

$(fuzz-dir)/modules: tests/fuzz/module.c
	@mkdir -p $@
	$(Q)$(CC) -g -O1 -o $@/debug $<
	$(Q)$(CC) -s -o $@/stripped $<

fuzz-session: $(fuzz-dir)/session $(fuzz-dir)/corpus
	$(Q)$(call fuzz-run,session,corpus)

fuzz-elf: $(fuzz-dir)/elf $(fuzz-dir)/modules
	$(Q)$(call fuzz-run,elf,modules)

$(fuzz-dir)/maps:
	@mkdir -p $@
	$(Q)printf '1000 20 a name\n1010 8 another: with (blanks)\n' >$@/small

fuzz-jit: $(fuzz-dir)/jit $(fuzz-dir)/maps
	$(Q)$(call fuzz-run,jit,maps)

# Functions of the fuzzer itself are code as good as any.
$(fuzz-dir)/texts: $(fuzz-dir)/code
	@mkdir -p $@
	$(Q)objcopy -O binary --only-section=.text $< $(fuzz-dir)/text
	$(Q)head -c 102400 $(fuzz-dir)/text | split -b 512 -a 3 - $@/

fuzz-code: $(fuzz-dir)/code $(fuzz-dir)/texts
	$(Q)$(call fuzz-run,code,texts)
