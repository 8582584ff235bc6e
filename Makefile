# SPDX-License-Identifier: MIT
# One non-recursive build; each directory brings a fragment (common/common.mk ...)
# that lists its sources and what they need. `make help` says what can be asked for.

O ?= build
PREFIX ?= /usr/local
DESTDIR ?=

# A leading ./ or trailing / would make two names for one file.
override O := $(patsubst ./%,%,$(O:%/=%))

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
INSTALL ?= install

CFLAGS ?= -O2 -g
CXXFLAGS ?= -O2 -g
Q := $(if $(V),,@)
# $(call say,WHAT,FILE): the short form of a command, unless V=1 shows it whole.
say = $(if $(V),:,printf '  %-8s %s\n' $(1) '$(2)')

warnings := -Wall -Wextra -Wshadow
ifneq ($(filter true 1 yes,$(CI) $(WERROR)),)
warnings += -Werror
endif
base-cppflags := -I. -I$(O)/gen -MMD -MP
base-cflags := -std=gnu11 $(warnings) -Wstrict-prototypes -Wmissing-prototypes -pthread
base-cxxflags := -std=gnu++17 $(warnings) -pthread
san-flags := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- what the fragments fill in ----------------------------------------------
# X-srcs      sources of X: common report (archives), libleak, the programs, unit tests
# X-cflags    more compiler flags; X-ldlibs: libraries to link; X-deps: files made first
# generated sources live in $(O)/gen and are named so
common-srcs :=
report-srcs :=
libleak-srcs :=
memleak-srcs :=
leakreport-srcs :=
kagent-srcs :=
unit-tests :=
targets :=
setup-packages := gcc libc6-dev libunwind-dev libdw-dev libelf-dev libiberty-dev uthash-dev \
	zlib1g-dev libbpf-dev bpftool clang
check-packages :=
bench-packages :=
bench-targets :=
fuzz-targets :=
vm-targets :=
dist-files :=
# more libraries to build and install
libraries :=
# names of variables that hold rules which need all of the above
late-rules :=

-include $(wildcard common/*.mk preload/*.mk report/*.mk kagent/*.mk)
-include tests/tests.mk
-include $(wildcard tests/*/*.mk)

programs := memleak leakreport kagent
setup-packages := $(sort $(setup-packages))
check-packages := $(sort $(setup-packages) $(check-packages))
bench-packages := $(sort $(check-packages) $(bench-packages))

# ---- compiling ---------------------------------------------------------------
# Each product has its own object directory, so one source can be built twice
# with different flags.
obj-path = $(patsubst $(O)/gen/%,gen/%,$(basename $(1)))
objs = $(foreach s,$($(1)-srcs),$(O)/obj/$(1)/$(call obj-path,$(s)).o)

# $(call compile,C-or-CXX,PRODUCT,FLAGS)
compile-c = $(CC) $(base-cppflags) $(CPPFLAGS) $(base-cflags) $(CFLAGS) $(1)
compile-cxx = $(CXX) $(base-cppflags) $(CPPFLAGS) $(base-cxxflags) $(CXXFLAGS) $(1)

# Everything is built anew when compiler or flags change, and nothing otherwise.
flags-now := $(CC) $(CXX) $(CPPFLAGS) | $(base-cflags) | $(CFLAGS) | $(CXXFLAGS) | $(LDFLAGS) | $(san-flags)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(flags-now)' | cmp -s - $@ || echo '$(flags-now)' >$@

# $(1) product, $(2) name of the variable with sanitizer flags, or nothing: the flags hold commas
define compile-rules
$(1)-objs := $$(call objs,$(1))
-include $$($(1)-objs:.o=.d)
$$($(1)-objs): $(O)/flags | $$($(1)-deps)
$(O)/obj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@$$(call say,CC,$$@)
	$$(Q)$$(call compile-c,$$($(2)) $$($(1)-cflags)) -c -o $$@ $$<
$(O)/obj/$(1)/gen/%.o: $(O)/gen/%.c
	@mkdir -p $$(@D)
	@$$(call say,CC,$$@)
	$$(Q)$$(call compile-c,$$($(2)) $$($(1)-cflags)) -c -o $$@ $$<
endef

common-cflags += -fPIC
libleak-cflags += -fPIC -O2 -g -fno-omit-frame-pointer -fno-tree-slp-vectorize -ftls-model=initial-exec \
	-fvisibility=hidden -fno-builtin -fexceptions -fasynchronous-unwind-tables

$(foreach p,common report $(programs),$(eval $(call compile-rules,$(p),san-flags)))
# The shim interposes the allocator and so do sanitizers: it is built without them.
$(eval $(call compile-rules,libleak,))

# ---- linking -----------------------------------------------------------------
archives := $(if $(report-srcs),$(O)/libreport.a) $(if $(common-srcs),$(O)/libcommon.a)
archive-ldlibs := $(report-ldlibs) $(common-ldlibs)

define archive-rule
$(O)/lib$(1).a: $$($(1)-objs)
	@$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach p,common report,$(eval $(call archive-rule,$(p))))

define program-rule
$(O)/$(1): $$($(1)-objs) $(archives)
	@$$(call say,LD,$$@)
	$$(Q)$(CC) $(LDFLAGS) $(san-flags) -pthread -o $$@ $$($(1)-objs) $(archives) \
		$$($(1)-ldlibs) $(archive-ldlibs)
endef
$(foreach p,$(programs),$(eval $(call program-rule,$(p))))

libleak-map := preload/libleak.map
$(O)/libleak.so: $(libleak-objs) $(wildcard $(libleak-map))
	@$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libleak.so -Wl,-z,now,-z,relro,-z,noseparate-code,--no-undefined \
		$(addprefix -Wl$(comma)--version-script=,$(wildcard $(libleak-map))) \
		-o $@ $(libleak-objs) $(libleak-ldlibs)
comma := ,

# A product without sources (its directory is not there yet) is not built.
products := $(if $(libleak-srcs),$(O)/libleak.so) $(libraries) \
	$(foreach p,$(programs),$(if $($(p)-srcs),$(O)/$(p)))

all: $(products)

# ---- install -----------------------------------------------------------------
bin-dir = $(DESTDIR)$(PREFIX)/bin
lib-dir = $(DESTDIR)$(PREFIX)/lib/memleak
man-dir = $(DESTDIR)$(PREFIX)/share/man
man-pages := $(wildcard man/*.[1-9])

install: all
	$(Q)$(INSTALL) -d $(bin-dir) $(lib-dir)
	$(Q)for f in $(filter-out %.so,$(products)); do $(INSTALL) -m 755 $$f $(bin-dir)/ || exit; done
	$(Q)for f in $(filter %.so,$(products)); do $(INSTALL) -m 755 $$f $(lib-dir)/ || exit; done
	$(Q)for f in $(man-pages); do \
		$(INSTALL) -D -m 644 $$f $(man-dir)/man$${f##*.}/$${f##*/} || exit; done
	@echo "installed to $(DESTDIR)$(PREFIX)"

uninstall:
	$(Q)rm -f $(addprefix $(bin-dir)/,$(programs)) \
		$(addprefix $(lib-dir)/,$(notdir $(filter %.so,$(products))))
	$(Q)for f in $(man-pages); do rm -f $(man-dir)/man$${f##*.}/$${f##*/}; done
	$(Q)if [ -d $(lib-dir) ]; then rmdir --ignore-fail-on-non-empty $(lib-dir); fi

# ---- what a person runs ------------------------------------------------------
# SETUP=no: never install anything (another distribution, no network).
setup-run = $(if $(filter no,$(SETUP)),@:,$(Q)scripts/setup)

setup:
	$(setup-run) $(setup-packages)
setup-check:
	$(setup-run) $(check-packages)
setup-bench:
	$(setup-run) $(bench-packages)

# A sub-make where something may have been installed first: fragments and the
# rules above may look at what is there.
# On all processors, unless -j was given.
sub-make = $(Q)+$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

demo: setup
	$(sub-make) all $(O)/targets/allocs
	$(O)/memleak -c $(O)/targets/allocs 2

check: setup-check
	$(sub-make) check-build
	$(sub-make) check-run

check-build: all unit targets $(check-deps) $(if $(SAN),,check-san)
# Unit tests and commands are tested once more under sanitizers.
check-san:
	$(sub-make) O=$(O)/san SAN=address,undefined all unit targets
san-tests = O=$(O)/san $(unit-programs:$(O)/%=$(O)/san/%) \
	$(wildcard tests/e2e/leakreport*.test tests/e2e/memleak*.test)
check-run:
	$(Q)O=$(O) CC='$(CC)' CXX='$(CXX)' tests/run $(if $(T),-m '$(T)') \
		$(unit-programs) $(wildcard tests/*/*.test) $(if $(SAN),,$(san-tests))

check-vm: setup-check
	$(sub-make) all $(vm-targets)
fuzz: setup-check
	$(if $(fuzz-targets),$(sub-make) $(fuzz-targets),@echo "no fuzz target in this tree"; false)
# Measurements run one at a time.
bench: setup-bench
	$(sub-make) all
	$(Q)+$(MAKE) --no-print-directory -j1 $(bench-targets)

$(foreach r,tests-rules $(late-rules),$(eval $($(r))))

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0)
dist: $(dist-files)
	$(Q)rm -f $(O)/memleak-$(version).tar* && mkdir -p $(O)
	$(Q)git archive --prefix=memleak-$(version)/ -o $(O)/memleak-$(version).tar HEAD
	$(if $(dist-files),$(Q)tar -rf $(O)/memleak-$(version).tar \
		--transform='s|^|memleak-$(version)/|' $(dist-files))
	$(Q)gzip -9 $(O)/memleak-$(version).tar
	@echo $(O)/memleak-$(version).tar.gz

clean:
	$(Q)rm -rf $(O)

help:
	@sed 's/^|//' scripts/help.txt

FORCE:
.PHONY: all install uninstall setup setup-check setup-bench demo check check-build check-san \
	check-run check-vm fuzz bench dist clean help unit targets FORCE
