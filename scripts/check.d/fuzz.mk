# Fuzz programs for scripts/check: the folders are compiled once for all of them, not once for each as by `make fuzz`.
# usage: make -f scripts/check.d/fuzz.mk fuzz-programs
CC := clang
B := build/fuzz-check
CFLAGS := -O1 -U_FORTIFY_SOURCE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
include Makefile

.PHONY: fuzz-programs
fuzz-programs: $(patsubst %,$(B)/%,$(fuzz_targets))

$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(foreach l,$(libs_fuzz),$(call lib,$(l)))
	$(if $(V),,@echo '  LD  $@')
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_SYSTEM)
