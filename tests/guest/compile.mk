# SPDX-License-Identifier: GPL-2.0
#
# Compiles the C program in $(SOURCE) (Lua, laid out by tests/vm/fetch-root) to
# the directory $(OUT): many small files, processes and mappings. Without
# optimization: an emulated CPU compiles it. The objects depend on the compiler
# and the sources alone, not on where they are.

SOURCE ?= /source
OBJECTS := $(patsubst $(SOURCE)/src/%.c,$(OUT)/%.o,\
	$(filter-out %/luac.c,$(wildcard $(SOURCE)/src/*.c)))

$(OUT)/lua: $(OBJECTS)
	gcc -fno-use-linker-plugin -o $@ $^ -lm

$(OUT)/%.o: $(SOURCE)/src/%.c
	cd $(<D) && gcc -O0 -w -DLUA_COMPAT_5_3 -c -o $(abspath $@) $(<F)
