// SPDX-License-Identifier: MIT
/* sampling.c - see sampling.h. */
#include "sampling.h"

#include "clock.h"
#include "live_table.h"
#include "real.h"
#include "sampler.h"

#define INTERVAL_NS	100000000u
#define FIRST_MEAN	4096u	/* bytes: the step from "everything" to sampling */
#define MAX_FACTOR	64

/* The last look at the cost. Under the try-lock. */
static struct {
	struct lock lock;
	uint64_t self_ns, cpu_ns, at_ns;
} last;

void sampling_begin(void)
{
	struct session_header *h = recorder.hdr;
	const struct config *cfg = &recorder.cfg;

	h->sampling = cfg->sampling;
	h->sample_mean[0] = 1;
	h->mean_count = 1;
	if (cfg->sampling != SAMPLE_ALL)
		h->sample_mean[h->mean_count++] = cfg->sample_mean;
	recorder.weighs = cfg->sampling != SAMPLE_ALL || cfg->max_overhead;
	recorder.choosy = recorder.weighs || cfg->min_size || cfg->max_size != UINT64_MAX;
	recorder.plain = recorder.choosy || cfg->trace || real.bypassed ? 0 : REC_SIZE_MAX + 1;
	recorder.shadow = cfg->trace ? NULL : live_root;
	last.at_ns = clock_ns(CLOCK_MONOTONIC);
	last.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	last.self_ns = 0;
	lock_reset(&last.lock);
}

static uint8_t kind_of(unsigned int index)
{
	return index ? recorder.hdr->sampling : SAMPLE_ALL;
}

static unsigned int current(struct thread_state *t)
{
	unsigned int index = __atomic_load_n(&recorder.hdr->mean_count, __ATOMIC_ACQUIRE) - 1u;

	t->mean_flags = (uint64_t)index << REC_MEAN_SHIFT;
	return index;
}

void sampling_start(struct thread_state *t)
{
	unsigned int index = current(t);

	sampler_start(t, kind_of(index), recorder.hdr->sample_mean[index]);
}

void sampling_draw(struct thread_state *t)
{
	unsigned int index = current(t);

	t->cost_mask = kind_of(index) == SAMPLE_BYTES ? SIZE_MAX : 0;
	sampler_redraw(t, kind_of(index), recorder.hdr->sample_mean[index]);
}

double sampling_weight(uint64_t mean, uint64_t bytes)
{
	unsigned int index = (unsigned int)(mean >> REC_MEAN_SHIFT);

	return sampler_weight(kind_of(index), recorder.hdr->sample_mean[index], bytes);
}

/* Makes samples rarer by the factor by which they cost too much. */
static void raise_mean(double factor)
{
	struct session_header *h = recorder.hdr;
	unsigned int n = h->mean_count;
	uint64_t mean = h->sample_mean[n - 1];

	if (n == SESSION_MAX_MEANS)
		return;
	if (factor > MAX_FACTOR)
		factor = MAX_FACTOR;
	if (h->sampling == SAMPLE_ALL) {
		h->sampling = SAMPLE_BYTES;
		mean = FIRST_MEAN;
		factor /= 2;
	}
	h->sample_mean[n] = (uint64_t)((double)mean * (factor > 1 ? factor : 1));
	__atomic_store_n(&h->mean_count, (uint8_t)(n + 1), __ATOMIC_RELEASE);
}

static void control(uint64_t self_ns)
{
	uint64_t at = clock_ns(CLOCK_MONOTONIC), cpu, self;
	double percent;

	if (at - last.at_ns < INTERVAL_NS)
		return;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	self = self_ns > last.self_ns ? self_ns - last.self_ns : 0;
	/* of what the program alone would have used */
	percent = cpu - last.cpu_ns > self
			  ? 100.0 * (double)self / (double)(cpu - last.cpu_ns - self) : 1000.0;
	if (percent > recorder.cfg.max_overhead)
		raise_mean(2 * percent / recorder.cfg.max_overhead);
	last.at_ns = at;
	last.cpu_ns = cpu;
	last.self_ns = self_ns;
}

void sampling_control(uint64_t self_ns)
{
	if (!recorder.cfg.max_overhead || recorder.frozen || !lock_try(&last.lock))
		return;
	control(self_ns);
	lock_release(&last.lock);
}
