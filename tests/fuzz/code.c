// SPDX-License-Identifier: MIT
/* libFuzzer target: any bytes as code without call frame information, followed to its ends. */
#include "preload/epilogue.h"
#include "preload/x86_insn.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0x400000u	/* where the code is taken to be */

struct text {
	const uint8_t *bytes;
	size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_text(void *arg, uint64_t at, uint8_t *to, size_t size)
{
	const struct text *t = arg;
	size_t left;

	if (at < BASE || at - BASE >= t->size)
		return 0;
	left = t->size - (size_t)(at - BASE);
	if (size > left)
		size = left;
	memcpy(to, t->bytes + (at - BASE), size);
	return size;
}

static bool is_final(void *arg, uint64_t addr)
{
	(void)arg;
	return addr % 64 == 63;
}

/* Each byte may be where an instruction begins: it ends within what there is. */
static void decode_everywhere(const uint8_t *data, size_t size)
{
	struct x86_insn insn;

	for (size_t i = 0; i < size; i++)
		if (x86_insn_decode(data + i, size - i, &insn) &&
		    (!insn.length || insn.length > X86_INSN_MAX || insn.length > size - i))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = { data, size };
	const struct epilogue_code code = { read_text, is_final, &text };

	decode_everywhere(data, size);
	for (size_t i = 0; i < size && i < 64; i++) {
		struct epilogue e = { .cfa = 0 };
		int rc = epilogue_follow(&code, BASE + i, &e);

		if (rc && rc != -ENOENT && rc != -ENODATA)
			abort();
	}
	return 0;
}
