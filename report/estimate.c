// SPDX-License-Identifier: MIT
/* estimate.c - what a recorded event stands for when only some were recorded. */
#include "report/estimate.h"

#include <math.h>

double estimate_probability(enum session_sampling sampling, double mean, uint64_t size)
{
	double p = 1;

	if (sampling == SAMPLE_ALL || !(mean > 1))
		return 1;
	if (sampling == SAMPLE_BYTES)
		p = -expm1(-(size ? (double)size : 1) / mean);
	else
		p = 1 / mean;
	/* A hostile mean must not make infinities. */
	return p > 1e-15 ? p : 1e-15;
}

double estimate_weight(double from_session)
{
	return isfinite(from_session) ? from_session : 0;
}

void estimate_add(struct figure *f, uint64_t size, double p)
{
	f->count++;
	f->bytes += size;
	if (p >= 1) {
		f->est_count += 1;
		f->est_bytes += (double)size;
	} else {
		double spread = (1 - p) / (p * p);

		f->est_count += 1 / p;
		f->est_bytes += (double)size / p;
		f->var_count += spread;
		f->var_bytes += spread * (double)size * (double)size;
	}
}

double figure_bound(double variance)
{
	return variance > 0 ? 1.96 * sqrt(variance) : 0;
}

void figure_add(struct figure *sum, const struct figure *f)
{
	sum->count += f->count;
	sum->bytes += f->bytes;
	sum->est_count += f->est_count;
	sum->est_bytes += f->est_bytes;
	sum->var_count += f->var_count;
	sum->var_bytes += f->var_bytes;
}
