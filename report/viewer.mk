# SPDX-License-Identifier: MIT
# The HTML report: the viewer (report/viewer, built with node and npm) and what
# puts the report's data in it. `make dist` ships the built page, which a tree
# without git uses as it is; without it and without node --html says what it lacks.
report-srcs += report/html.c report/html_page.c report/html_data.c report/html_json.c
report-srcs += report/html_tables.c report/html_timeline.c report/html_pack.c

viewer-sources := report/viewer/package-lock.json report/viewer/build report/viewer/build.mjs \
	$(wildcard report/viewer/src/*)
viewer-shipped := report/viewer/dist/viewer.html
# A build within another one, for sanitizers, shares its page.
viewer-dir := $(patsubst %/san,%,$(O))
viewer-built := $(viewer-dir)/gen/viewer.html
viewer-page := $(if $(wildcard .git),$(viewer-built),$(or $(wildcard $(viewer-shipped)),$(viewer-built)))
dist-files += $(viewer-shipped)
check-packages += chromium $(if $(shell command -v npm),,npm)

$(viewer-built): $(viewer-sources)
	@mkdir -p $(@D)
	@$(call say,VIEWER,$@)
	$(Q)report/viewer/build $@ $(viewer-dir)/viewer

# Only what is whole is shipped.
ifneq ($(wildcard .git),)
$(viewer-shipped): $(viewer-built)
	@test -s $< || { echo "dist: the viewer could not be built (see above)" >&2; false; }
	$(Q)mkdir -p $(@D) && cp $< $@
endif

$(O)/obj/report/report/html_page.o: $(viewer-page)
$(O)/obj/report/report/html_page.o: report-cflags += -DVIEWER_PAGE='"$(viewer-page)"'
