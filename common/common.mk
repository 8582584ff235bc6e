# SPDX-License-Identifier: MIT
# common/: the session format and what every part may use -> libcommon.a
common-srcs += common/array.c common/hash_index.c common/io.c common/fmt.c common/options.c common/proc_stat.c
common-srcs += common/session_writer.c common/session_reader.c common/session_scan.c
common-srcs += common/session_modules.c common/timeline.c common/session_time.c common/session_trace.c common/session_name.c
unit-session-srcs := tests/support/sample.c
unit-session_live-srcs := tests/support/sample.c
unit-timeline-srcs := tests/support/sample.c
