// SPDX-License-Identifier: MIT
/*
 * attach_cxx - prints "ready" and reads a line. Then it deletes what it has from before,
 * loses a known number of objects by each form of operator new, writes its ledger,
 * prints "done", and waits for the end of input.
 */
#include <cstdint>
#include <new>

extern "C" {
#include "ledger.h"
}

enum { ROUNDS = 100 };

struct alignas(64) Wide {
	char bytes[128];
};

static int *old[ROUNDS];
static void *volatile kept;

static void leak_object() { kept = new std::uint64_t[1]; }
static void leak_array() { kept = new char[40]; }
static void leak_wide() { kept = new Wide; }
static void leak_quietly() { kept = new (std::nothrow) char[72]; }

static void tidy_objects()
{
	int *p = new int[10];
	Wide *w = new Wide;

	kept = p;
	delete[] p;
	kept = w;
	delete w;
}

static void work()
{
	for (int i = 0; i < ROUNDS; i++) {
		delete old[i];
		leak_object();
		leak_array();
		leak_wide();
		leak_quietly();
		tidy_objects();
	}
	ledger_line(ROUNDS, ROUNDS * 8, "leak_object;work;main");
	ledger_line(ROUNDS, ROUNDS * 40, "leak_array;work;main");
	ledger_line(ROUNDS, ROUNDS * 128, "leak_wide;work;main");
	ledger_line(ROUNDS, ROUNDS * 72, "leak_quietly;work;main");
}

int main()
{
	char line[64];

	for (int i = 0; i < ROUNDS; i++)
		old[i] = new int(i);
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	work();
	puts("done");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
