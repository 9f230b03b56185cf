# The simulation links the core built with CORE_TESTING (consensus/core_test.h), so that a test can leave out a rule and
# show what then goes wrong. The daemon links libconsensus.a, where no such switch exists.
src_coretest := $(wildcard consensus/core*.c) consensus/lease.c consensus/wire.c
objs_coretest := $(patsubst %.c,$(B)/obj-testing/%.o,$(src_coretest))

$(B)/obj-testing/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC  $< (testing)')
	$(Q)$(CC) $(CFLAGS_ALL) -DCORE_TESTING -c -o $@ $<

$(call lib,coretest): $(objs_coretest)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

-include $(objs_coretest:.o=.d)

# The same against libraft built from its source with assertions and sanitizers: faults of the library that its package
# hides show here.
build/raft-debug/libraft.a: scripts/build-raft-debug
	./scripts/build-raft-debug

.PHONY: simulation-debug
simulation-debug: build/raft-debug/libraft.a
	$(MAKE) --no-print-directory SAN=asan B=build/simulation-debug LIBRAFT=build/raft-debug/libraft.a test-simulation
