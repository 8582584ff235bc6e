// SPDX-License-Identifier: MIT
/* config.c - see config.h. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stack_capture.h"

void config_defaults(struct config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->report = true;
	cfg->mmap = true;
	cfg->follow = true;
	cfg->sampling = SAMPLE_ALL;
	cfg->max_size = UINT64_MAX;
	cfg->max_bytes = 4ull << 30;
	cfg->depth = 64;
	cfg->max_stacks = 1u << 20;
}

/* A decimal number, then one of the suffixes, which multiplies it. */
struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix byte_suffixes[] = {
	{ "", 1 }, { "b", 1 }, { "k", 1u << 10 }, { "m", 1u << 20 }, { "g", 1u << 30 }, { 0 },
};
static const struct suffix time_suffixes[] = {
	{ "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
	{ "us", 1000 }, { "", 1000000000 }, { 0 },
};
static const struct suffix no_suffix[] = { { "", 1 }, { 0 } };

static bool parse_number(const char *s, const struct suffix *suffixes, uint64_t *out)
{
	uint64_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return false;
	for (; suffixes->text; suffixes++) {
		if (strcasecmp(s, suffixes->text))
			continue;
		if (__builtin_mul_overflow(n, suffixes->factor, &n))
			return false;
		*out = n;
		return true;
	}
	return false;
}

static bool parse_in_range(const char *s, uint64_t lo, uint64_t hi, uint32_t *out)
{
	uint64_t n;

	if (!parse_number(s, no_suffix, &n) || n < lo || n > hi)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool parse_bool(const char *s, bool *out)
{
	if (strcmp(s, "0") && strcmp(s, "1"))
		return false;
	*out = *s == '1';
	return true;
}

/* "/current/directory/" as a pattern; its length, 0 when it cannot be had. */
static size_t directory_pattern(char *out, size_t size)
{
	char cwd[CONFIG_PATH_MAX];
	size_t n = 0;

	if (!getcwd(cwd, sizeof(cwd)))
		return 0;
	for (const char *p = cwd; *p; p++) {
		if (n + 4 > size)
			return 0;
		if (*p == '%')
			out[n++] = '%';
		out[n++] = *p;
	}
	out[n++] = '/';
	return n;
}

/* Where it begins, for programs change their directory; if that makes the path too long, as it is. */
static bool set_output(struct config *cfg, const char *v)
{
	size_t len = strlen(v), dir = 0;

	if (!*v || len >= sizeof(cfg->output))
		return false;
	if (*v != '/')
		dir = directory_pattern(cfg->output, sizeof(cfg->output));
	if (dir + len >= sizeof(cfg->output))
		dir = 0;
	strcpy(cfg->output + dir, v);
	return true;
}

static bool set_report(struct config *cfg, const char *v)
{
	if (strcmp(v, "stderr") && strcmp(v, "none"))
		return false;
	cfg->report = *v == 's';
	return true;
}

static bool set_sample(struct config *cfg, const char *v)
{
	uint64_t n;

	if (!strcmp(v, "all")) {
		cfg->sampling = SAMPLE_ALL;
		return true;
	}
	if (!strncmp(v, "1/", 2)) {
		if (!parse_number(v + 2, no_suffix, &n) || !n || n > UINT32_MAX)
			return false;
		cfg->sampling = n == 1 ? SAMPLE_ALL : SAMPLE_COUNT;
	} else {
		if (!parse_number(v, byte_suffixes, &n) || !n || n > 1ull << 40)
			return false;
		cfg->sampling = n == 1 ? SAMPLE_ALL : SAMPLE_BYTES;
	}
	cfg->sample_mean = n;
	return true;
}

static bool set_older(struct config *cfg, const char *v)
{
	return parse_number(v, time_suffixes, &cfg->older_ns);
}

static bool set_depth(struct config *cfg, const char *v)
{
	return parse_in_range(v, 1, DEPTH_MAX, &cfg->depth);
}

static bool set_max_stacks(struct config *cfg, const char *v)
{
	return parse_in_range(v, 16, REC_STACK_MASK, &cfg->max_stacks);
}

static bool set_top(struct config *cfg, const char *v)
{
	return parse_in_range(v, 1, 1000000, &cfg->top);
}

static bool set_max_overhead(struct config *cfg, const char *v)
{
	return parse_in_range(v, 1, 1000, &cfg->max_overhead);
}

static bool set_mmap(struct config *cfg, const char *v)
{
	return parse_bool(v, &cfg->mmap);
}

static bool set_follow(struct config *cfg, const char *v)
{
	return parse_bool(v, &cfg->follow);
}

static bool set_trace(struct config *cfg, const char *v)
{
	return parse_bool(v, &cfg->trace);
}

static bool set_min(struct config *cfg, const char *v)
{
	return parse_number(v, byte_suffixes, &cfg->min_size);
}

static bool set_max(struct config *cfg, const char *v)
{
	uint64_t n;

	if (!parse_number(v, byte_suffixes, &n) || !n)
		return false;
	cfg->max_size = n;
	return true;
}

static bool set_file_max(struct config *cfg, const char *v)
{
	uint64_t n;

	if (!parse_number(v, byte_suffixes, &n) || n < 1u << 20 || n > 1ull << 40)
		return false;
	cfg->max_bytes = n;
	return true;
}

static const struct setting {
	const char *key, *expects;
	bool (*set)(struct config *cfg, const char *value);
} settings[] = {
	{ "output", "a path of less than 512 bytes", set_output },
	{ "report", "stderr or none", set_report },
	{ "older", "a time, like 5s or 500ms", set_older },
	{ "sample", "bytes (512k), 1/N or all", set_sample },
	{ "depth", "1 to 256 frames", set_depth },
	{ "mmap", "0 or 1", set_mmap },
	{ "min", "a size, like 64 or 4k", set_min },
	{ "max", "a size, like 64 or 4k", set_max },
	{ "follow", "0 or 1", set_follow },
	{ "trace", "0 or 1", set_trace },
	{ "max-stacks", "16 to 4194303", set_max_stacks },
	{ "max-file", "a size of at least 1m", set_file_max },
	{ "max-overhead", "1 to 1000 (percent)", set_max_overhead },
	{ "top", "1 to 1000000", set_top },
};

static void apply(struct config *cfg, char *item, config_complain_fn *complain)
{
	char *value = strchr(item, '=');
	char line[320];

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(item, settings[i].key))
			continue;
		if (value && settings[i].set(cfg, value))
			return;
		snprintf(line, sizeof(line), "libleak: LIBLEAK: %.20s=%.80s: expected %s; using the default\n",
			 item, value ? value : "", settings[i].expects);
		complain(line);
		return;
	}
	snprintf(line, sizeof(line), "libleak: LIBLEAK: unknown setting '%.80s'; see libleak(7)\n", item);
	complain(line);
}

void config_parse(struct config *cfg, const char *text, config_complain_fn *complain)
{
	char item[CONFIG_PATH_MAX + 64];

	while (*text) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(item)) {
			complain("libleak: LIBLEAK: a setting is too long; ignored\n");
		} else if (len) {
			memcpy(item, text, len);
			item[len] = '\0';
			apply(cfg, item, complain);
		}
		text += len;
		text += *text == ',';
	}
}

bool config_expand(const char *pattern, uint32_t pid, const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *pattern; pattern++) {
		char number[16], one[2] = { *pattern, 0 };
		const char *add = one;

		if (*pattern == '%' && pattern[1]) {
			pattern++;
			snprintf(number, sizeof(number), "%u", pid);
			one[0] = *pattern;
			if (*pattern == 'p')
				add = number;
			else if (*pattern == 'n')
				add = name;
		}
		if (n + strlen(add) >= size)
			return false;
		strcpy(out + n, add);
		n += strlen(add);
	}
	out[n] = '\0';
	return true;
}
