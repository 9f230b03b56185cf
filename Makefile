# Hecate. `make help` lists the targets; SAN=asan builds with AddressSanitizer and UndefinedBehaviorSanitizer,
# WERROR=1 makes warnings errors, CC=clang works too. Everything built goes to build/<variant>/.
SAN ?=
WERROR ?=
COV ?=
ifeq ($(origin CC),default)
CC := gcc
endif
# The library of raft: another build of it for the simulation.
LIBRAFT ?= -lraft
V ?=
Q := $(if $(V),,@)
prefix ?= /usr/local
sysconfdir ?= /etc
unitdir ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
DESTDIR ?=
VERSION := 0.1.0

variant := $(if $(SAN),$(SAN),release)$(if $(COV),-cov)$(if $(filter clang%,$(CC)),-clang)
B ?= build/$(variant)

packages := libuv libh2o msgpack libssh2 openssl jansson raft expat libcurl zlib libmnl libcap
# Library headers come in as system headers: our warnings are for our code.
pkg_cflags := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(packages) 2>/dev/null))
warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wundef \
	-Wvla -Wwrite-strings -Wpointer-arith -Wcast-qual -Wconversion -Wsign-conversion -Wimplicit-fallthrough \
	-Wnull-dereference -Wredundant-decls
ifeq ($(filter clang%,$(CC)),)
warnings += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wcast-align=strict
else
warnings += -Wno-gnu-zero-variadic-macro-arguments
endif
hardening := -fno-common -fstack-protector-strong -fstack-clash-protection -fPIE
ifeq ($(SAN),asan)
optimise := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
warnings += -Wno-null-dereference
else ifeq ($(SAN),tsan)
optimise := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else
optimise := -O2 -g -D_FORTIFY_SOURCE=2
endif
coverage := $(if $(COV),--coverage -fprofile-update=atomic)

CFLAGS_ALL = -std=gnu11 -I. -D_GNU_SOURCE -DH2O_USE_LIBUV=1 -DHECATE_VERSION='"$(VERSION)"' $(pkg_cflags) $(optimise) \
	$(warnings) $(if $(WERROR),-Werror) $(hardening) $(coverage) -include store/base/banned.h -MMD -MP $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,--as-needed,-z,relro,-z,now -rdynamic $(optimise) $(coverage) $(LDFLAGS)
LIBS_SYSTEM := -lh2o -lssh2 $(LIBRAFT) -lmsgpackc -ljansson -lexpat -lcurl -lssl -lcrypto -lz -lmnl -lcap -luv -lpthread -lm

folders := store consensus executor operations keeper api daemon cli
src_store := $(wildcard store/*.c store/base/*.c)
src_consensus := $(wildcard consensus/*.c)
src_executor := $(wildcard daemon/executor/*.c)
src_operations := $(wildcard daemon/operations/*.c)
src_keeper := $(wildcard daemon/keeper/*.c)
src_api := $(wildcard api/*.c)
src_daemon := $(filter-out daemon/main.c,$(wildcard daemon/*.c))
src_cli := $(filter-out cli/main.c,$(wildcard cli/*.c))

# What a test of a folder links: the folder and what lies below it, nothing else (so the layers stay true).
libs_store := store
libs_consensus := consensus store
libs_executor := executor store
libs_operations := operations executor store
libs_keeper := keeper store
libs_api := api store
libs_daemon := daemon api operations executor keeper consensus store
libs_cli := cli store
libs_property := operations executor store
libs_simulation := coretest operations executor store
libs_fuzz := daemon api operations executor keeper consensus store

lib = $(B)/lib$(1).a
objs = $(patsubst %.c,$(B)/obj/%.o,$(1))

.PHONY: all
all: $(B)/hecated $(B)/hecate

define folder_rule
$(call lib,$(1)): $(call objs,$(src_$(1)))
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
all_objs += $(call objs,$(src_$(1)))
endef
$(foreach f,$(folders),$(eval $(call folder_rule,$(f))))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC  $<')
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B)/hecated: $(B)/obj/daemon/main.o $(foreach l,$(libs_daemon),$(call lib,$(l)))
	$(if $(V),,@echo '  LD  $@')
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SYSTEM)

$(B)/hecate: $(B)/obj/cli/main.o $(foreach l,$(libs_cli),$(call lib,$(l)))
	$(if $(V),,@echo '  LD  $@')
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SYSTEM)

# Tests: tests/unit/<folder>/test_*.c, tests/property/test_*.c, tests/simulation/test_*.c: one program each. Other .c
# files in those folders are helpers, linked into every program of the folder.
define test_rule
tests_$(2) := $(patsubst %.c,$(B)/%,$(wildcard $(1)/test_*.c))
helpers_$(2) := $(call objs,$(filter-out $(wildcard $(1)/test_*.c),$(wildcard $(1)/*.c)))
all_tests += $$(tests_$(2))
all_objs += $$(patsubst $(B)/%,$(B)/obj/%.o,$$(tests_$(2))) $$(helpers_$(2))
$$(tests_$(2)): $(B)/%: $(B)/obj/%.o $$(helpers_$(2)) $(foreach l,$(libs_$(2)),$(call lib,$(l)))
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo '  LD  $$@')
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) -lcmocka $$(LIBS_SYSTEM)
.PHONY: test-$(2)
test-$(2): $$(tests_$(2))
	@set -e; for t in $$^; do echo "== $$$$t"; $$$$t; done
endef
$(foreach f,$(folders),$(eval $(call test_rule,tests/unit/$(f),$(f))))
$(eval $(call test_rule,tests/property,property))
include tests/simulation/rules.mk
$(eval $(call test_rule,tests/simulation,simulation))

.PHONY: tests list-tests
tests: $(all_tests)
list-tests:
	@printf '%s\n' $(all_tests)

.PHONY: check demo lab
check:
	./scripts/check
demo:
	./scripts/demo
lab:
	./scripts/lab up

# Fuzz targets: tests/fuzz/fuzz_*.c with libFuzzer, run for FUZZ_SECONDS each with the seeds and corpora beside
# them.
FUZZ_SECONDS ?= 60
fuzz_targets := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz
fuzz:
	@set -e; for t in $(fuzz_targets); do $(MAKE) --no-print-directory fuzz-one TARGET=$$t; done
.PHONY: fuzz-one
fuzz-one:
	@mkdir -p build/fuzz/corpus/$(TARGET) tests/fuzz/seeds/$(TARGET)
	clang -std=gnu11 -I. -D_GNU_SOURCE -DH2O_USE_LIBUV=1 -DHECATE_VERSION='"$(VERSION)"' $(pkg_cflags) -O1 -g \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o build/fuzz/$(TARGET) tests/fuzz/$(TARGET).c \
		$(foreach l,$(libs_fuzz),$(src_$(l))) $(LIBS_SYSTEM)
	[ ! -f tests/fuzz/corpora/$(TARGET).tar.gz ] || \
		tar -xzf tests/fuzz/corpora/$(TARGET).tar.gz -C build/fuzz/corpus/$(TARGET)
	build/fuzz/$(TARGET) -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0 \
		build/fuzz/corpus/$(TARGET) tests/fuzz/seeds/$(TARGET)

# The benchmark's load client.
bench_objs := $(call objs,$(wildcard tests/bench/*.c))
all_objs += $(bench_objs)
$(B)/bench-load: $(bench_objs) $(call lib,store)
	$(if $(V),,@echo '  LD  $@')
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SYSTEM)
.PHONY: bench
bench: all $(B)/bench-load
	./tests/bench/run $(BENCH)

c_files := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
c_product := $(filter store/%.c consensus/%.c daemon/%.c api/%.c cli/%.c,$(c_files))
.PHONY: format tidy cppcheck scan-build
format:
	clang-format -i $(c_files)
tidy:
	printf '%s\n' $(c_product) | xargs -P "$$(nproc)" -I {} clang-tidy --quiet {} -- -std=gnu11 -I. -D_GNU_SOURCE \
		-DH2O_USE_LIBUV=1 -DHECATE_VERSION='"$(VERSION)"' $(pkg_cflags) -include store/base/banned.h
cppcheck:
	cppcheck -j "$$(nproc)" --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		-I. --suppressions-list=scripts/check.d/cppcheck.txt --library=posix -D__x86_64__ '-DRB_PROTOTYPE(a,b,c,d)=' \
		'-DRB_GENERATE(a,b,c,d)=' store consensus daemon api cli
# A build of its own below the analyzer of clang, which looks at each file as it is compiled.
scan-build:
	rm -rf build/scan
	scan-build --status-bugs -o build/scan/reports $(MAKE) --no-print-directory -j "$$(nproc)" B=build/scan/build all

# Line coverage by folder, from all unit, property and simulation tests.
.PHONY: cov
cov:
	./scripts/coverage

.PHONY: install uninstall
install: all
	install -D -m 755 $(B)/hecated $(DESTDIR)$(prefix)/sbin/hecated
	install -D -m 755 $(B)/hecate $(DESTDIR)$(prefix)/bin/hecate
	install -D -m 644 docs/man/hecated.8 $(DESTDIR)$(prefix)/share/man/man8/hecated.8
	install -D -m 644 docs/man/hecate.1 $(DESTDIR)$(prefix)/share/man/man1/hecate.1
	install -D -m 644 docs/man/hecate.json.5 $(DESTDIR)$(prefix)/share/man/man5/hecate.json.5
	install -D -m 644 cli/completion.bash $(DESTDIR)$(prefix)/share/bash-completion/completions/hecate
	install -D -m 640 docs/hecate.json.example $(DESTDIR)$(sysconfdir)/hecate/hecate.json.example
	sed 's|@sbindir@|$(prefix)/sbin|' scripts/systemd/hecated.service.in | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(unitdir)/hecated.service
	install -D -m 644 scripts/systemd/hecate.sysusers $(DESTDIR)$(sysusersdir)/hecate.conf
uninstall:
	rm -f $(DESTDIR)$(prefix)/sbin/hecated $(DESTDIR)$(prefix)/bin/hecate $(DESTDIR)$(prefix)/share/man/man8/hecated.8 \
		$(DESTDIR)$(prefix)/share/man/man1/hecate.1 $(DESTDIR)$(prefix)/share/man/man5/hecate.json.5 \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/hecate \
		$(DESTDIR)$(unitdir)/hecated.service $(DESTDIR)$(sysusersdir)/hecate.conf

.PHONY: clean help
clean:
	rm -rf build
help:
	@echo 'targets: all check demo bench lab fuzz tidy cppcheck scan-build format cov install uninstall clean tests test-<folder>'
	@echo 'variables: SAN=asan|tsan WERROR=1 COV=1 CC=gcc|clang prefix= DESTDIR= FUZZ_SECONDS='

-include $(patsubst %.o,%.d,$(all_objs)) $(B)/obj/daemon/main.d $(B)/obj/cli/main.d
