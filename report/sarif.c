// SPDX-License-Identifier: MIT
/* sarif.c - what is outstanding as results of a static analysis, for code scanning. */
#include "report/ci_formats.h"

#include "common/version.h"
#include "report/json_writer.h"

#include <string.h>

#define URI_MAX 4096u

/* A path as a URI (RFC 3986): what may not stand in one is percent-encoded. */
static void path_to_uri(const char *path, char uri[URI_MAX])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/+@";
	size_t used = (size_t)snprintf(uri, URI_MAX, "%s", path[0] == '/' ? "file://" : "");

	for (; *path && used + 4 < URI_MAX; path++) {
		if (strchr(plain, *path))
			uri[used++] = *path;
		else
			used += (size_t)snprintf(uri + used, 4, "%%%02X", (unsigned char)*path);
	}
	uri[used] = 0;
}

static void print_physical(struct json *j, const struct symbol_frame *s)
{
	char uri[URI_MAX];

	path_to_uri(s->file, uri);
	json_open(j, "physicalLocation", '{');
	json_open(j, "artifactLocation", '{');
	json_string(j, "uri", uri);
	json_close(j, '}');
	if (s->line) {
		json_open(j, "region", '{');
		json_u64(j, "startLine", s->line);
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void print_location(struct json *j, const struct symbol_frame *s)
{
	if (s->file)
		print_physical(j, s);
	json_open(j, "logicalLocations", '[');
	json_open(j, NULL, '{');
	json_string(j, "fullyQualifiedName", s->function ? s->function : s->module);
	json_string(j, "kind", "function");
	json_close(j, '}');
	json_close(j, ']');
}

/* The place to show: the innermost function whose source is known. */
static const struct symbol_frame *best_frame(const struct report *r,
					     const struct report_site *site)
{
	const struct symbol_frame *first = NULL;

	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		for (size_t k = 0; k < count; k++) {
			if (s[k].file)
				return &s[k];
			if (!first)
				first = &s[k];
		}
	}
	return first;
}

static void print_stack(struct json *j, const struct report *r, const struct report_site *site)
{
	json_open(j, "stacks", '[');
	json_open(j, NULL, '{');
	json_open(j, "frames", '[');
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		for (size_t k = 0; k < count; k++) {
			json_open(j, NULL, '{');
			json_open(j, "location", '{');
			print_location(j, &s[k]);
			json_close(j, '}');
			json_string(j, "module", s[k].module);
			json_close(j, '}');
		}
	}
	json_close(j, ']');
	json_close(j, '}');
	json_close(j, ']');
}

static void print_message(struct json *j, const struct report_site *site,
			  const struct symbol_frame *at)
{
	char text[512];

	snprintf(text, sizeof(text), "%.0f bytes outstanding in %.0f %s allocations made by %s",
		 site->live.est_bytes, site->live.est_count, report_kind_name(site->kind),
		 at && at->function ? at->function : at ? at->module : "unknown code");
	json_open(j, "message", '{');
	json_string(j, "text", text);
	json_close(j, '}');
}

static void print_result(struct json *j, const struct report *r, const struct report_site *site)
{
	const struct symbol_frame *at = best_frame(r, site);

	json_open(j, NULL, '{');
	json_string(j, "ruleId", "memory-leak");
	json_string(j, "level", "warning");
	print_message(j, site, at);
	json_open(j, "locations", '[');
	if (at) {
		json_open(j, NULL, '{');
		print_location(j, at);
		json_close(j, '}');
	}
	json_close(j, ']');
	print_stack(j, r, site);
	json_open(j, "partialFingerprints", '{');
	json_hex(j, "memleak/v1", site->fingerprint);
	json_close(j, '}');
	json_close(j, '}');
}

static void print_tool(struct json *j)
{
	json_open(j, "tool", '{');
	json_open(j, "driver", '{');
	json_string(j, "name", "leakreport");
	json_string(j, "version", MEMLEAK_VERSION);
	json_open(j, "rules", '[');
	json_open(j, NULL, '{');
	json_string(j, "id", "memory-leak");
	json_open(j, "shortDescription", '{');
	json_string(j, "text", "Memory that was allocated and not given back");
	json_close(j, '}');
	json_close(j, '}');
	json_close(j, ']');
	json_close(j, '}');
	json_close(j, '}');
}

void sarif_print(FILE *f, const struct report *r)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_string(&j, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_string(&j, "version", "2.1.0");
	json_open(&j, "runs", '[');
	json_open(&j, NULL, '{');
	print_tool(&j);
	json_open(&j, "results", '[');
	for (size_t i = 0; i < report_site_count(r) && report_site(r, i)->live.count; i++)
		print_result(&j, r, report_site(r, i));
	json_close(&j, ']');
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');
	putc('\n', f);
}
