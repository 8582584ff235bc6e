// SPDX-License-Identifier: MIT
/*
 * exact_cxx OPERATIONS - random operator new and delete in all their forms. Blocks
 * go through a ring and are freed when they fall out of it; one in fifty is lost.
 */
#include "ledger.h"

#include <cstddef>
#include <cstdint>
#include <new>

namespace {

constexpr int KINDS = 8, RING = 512;
constexpr std::align_val_t ALIGN{128};

struct block {
	void *address;
	std::size_t size;
	int kind;
};

block ring[RING];
long long counts[KINDS], bytes[KINDS];
std::uint64_t state = 42;

std::uint32_t next_random()
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return static_cast<std::uint32_t>(state >> 33);
}

} // namespace

/* Not in a namespace, so that their names are plain in a report. */
static void *leak_new(std::size_t n)
{
	return ::operator new(n);
}

static void *leak_new_array(std::size_t n)
{
	return new char[n];
}

static void *leak_new_nothrow(std::size_t n)
{
	return ::operator new(n, std::nothrow);
}

static void *leak_new_array_nothrow(std::size_t n)
{
	return new (std::nothrow) char[n];
}

static void *leak_new_aligned(std::size_t n)
{
	return ::operator new(n, ALIGN);
}

static void *leak_new_array_aligned(std::size_t n)
{
	return ::operator new[](n, ALIGN);
}

static void *leak_new_aligned_nothrow(std::size_t n)
{
	return ::operator new(n, ALIGN, std::nothrow);
}

static void *leak_new_array_aligned_nothrow(std::size_t n)
{
	return ::operator new[](n, ALIGN, std::nothrow);
}

static void *(*const allocators[KINDS])(std::size_t) = {
	leak_new, leak_new_array, leak_new_nothrow, leak_new_array_nothrow, leak_new_aligned,
	leak_new_array_aligned, leak_new_aligned_nothrow, leak_new_array_aligned_nothrow
};
static const char *const names[KINDS] = {
	"leak_new;main", "leak_new_array;main", "leak_new_nothrow;main",
	"leak_new_array_nothrow;main", "leak_new_aligned;main", "leak_new_array_aligned;main",
	"leak_new_aligned_nothrow;main", "leak_new_array_aligned_nothrow;main"
};

static void give_back(const block &b)
{
	bool sized = next_random() & 1;

	if (!b.address)
		return;
	counts[b.kind]--;
	bytes[b.kind] -= static_cast<long long>(b.size);
	switch (b.kind) {
	case 0:
		if (sized)
			::operator delete(b.address, b.size);
		else
			::operator delete(b.address);
		break;
	case 1:
		delete[] static_cast<char *>(b.address);
		break;
	case 2:
		::operator delete(b.address, std::nothrow);
		break;
	case 3:
		::operator delete[](b.address, std::nothrow);
		break;
	case 4:
		if (sized)
			::operator delete(b.address, b.size, ALIGN);
		else
			::operator delete(b.address, ALIGN);
		break;
	case 5:
		if (sized)
			::operator delete[](b.address, b.size, ALIGN);
		else
			::operator delete[](b.address, ALIGN);
		break;
	case 6:
		::operator delete(b.address, ALIGN, std::nothrow);
		break;
	default:
		::operator delete[](b.address, ALIGN, std::nothrow);
	}
}

int main(int argc, char **argv)
{
	long operations = argc > 1 ? atol(argv[1]) : 100000;

	for (long i = 0; i < operations; i++) {
		int kind = static_cast<int>(next_random() % KINDS);
		std::size_t size = 1 + next_random() % 2000;
		void *address = allocators[kind](size);

		counts[kind]++;
		bytes[kind] += static_cast<long long>(size);
		if (next_random() % 50 == 0)
			continue;
		block &slot = ring[next_random() % RING];
		give_back(slot);
		slot = block{address, size, kind};
	}
	for (block &b : ring)
		give_back(b);
	for (int kind = 0; kind < KINDS; kind++)
		ledger_line(counts[kind], bytes[kind], names[kind]);
	return 0;
}
