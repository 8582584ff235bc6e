# SPDX-License-Identifier: MIT
# The live server, for memleak --serve and kagent --serve.
report-srcs += report/metrics.c report/serve.c report/serve_access.c report/live_server.c
memleak-ldlibs += -lmicrohttpd
kagent-ldlibs += -lmicrohttpd
setup-packages += libmicrohttpd-dev
check-packages += prometheus curl golang-go golang-github-google-pprof-dev
unit-serve-srcs := tests/support/sample.c
unit-serve-ldlibs := -lmicrohttpd
