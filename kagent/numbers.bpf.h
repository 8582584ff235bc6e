// SPDX-License-Identifier: GPL-2.0 OR MIT
/* numbers.bpf.h - hashes of stacks, and histograms by powers of two (BPF code). */
#ifndef KAGENT_NUMBERS_BPF_H
#define KAGENT_NUMBERS_BPF_H

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

/* 0 for 0, else one more than the number of the highest bit; at most `buckets` - 1. */
static __always_inline __u32 log2_bucket(__u64 v, __u32 buckets)
{
	__u32 b = 0;

	if (v >> 32) { b += 32; v >>= 32; }
	if (v >> 16) { b += 16; v >>= 16; }
	if (v >> 8) { b += 8; v >>= 8; }
	if (v >> 4) { b += 4; v >>= 4; }
	if (v >> 2) { b += 2; v >>= 2; }
	if (v >> 1) { b += 1; v >>= 1; }
	b += v;
	return b < buckets ? b : buckets - 1;
}

#endif
