# SPDX-License-Identifier: MIT
# report/: merging, symbolizing and printing -> libreport.a; the command leakreport
report-srcs += report/strpool.c report/demangle.c report/elf_symbols.c report/dwarf_lines.c
report-srcs += report/bus_guard.c report/symbolize.c report/estimate.c report/losses.c report/rank.c
report-srcs += report/report.c report/sites.c report/processes.c report/frames.c
report-srcs += report/scan_process.c report/scan_kernel.c report/scan_totals.c
report-srcs += report/merge.c report/finish.c report/cache_holdings.c report/filter.c
report-srcs += report/text.c report/text_losses.c report/jit_map.c
report-ldlibs += -ldw -lelf -liberty -lz -lm
report-srcs += report/json_writer.c report/json.c report/json_sites.c report/outputs.c report/progress.c
report-srcs += report/folded.c report/protobuf.c report/pprof.c
report-srcs += report/diff.c report/baseline.c report/junit.c report/sarif.c
leakreport-srcs += report/leakreport.c report/leakreport_options.c

test-sessions := tests/support/sample.c tests/support/exercise.c
unit-hostile_session-srcs := $(test-sessions)
unit-report-srcs := tests/support/sample.c
unit-pprof-srcs := tests/support/sample.c
check-packages += golang-go libxml2-utils jq binutils
