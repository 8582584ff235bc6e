// SPDX-License-Identifier: MIT
/* leakreport_options.h - what the command line of leakreport asks for. */
#ifndef REPORT_LEAKREPORT_OPTIONS_H
#define REPORT_LEAKREPORT_OPTIONS_H

#include "report/filter.h"
#include "report/outputs.h"
#include "report/report.h"
#include "report/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM "leakreport"

struct command {
	struct report_options report;
	struct text_options text;
	struct outputs outputs;
	struct regex_list *include, *exclude;
	struct suppressions *suppressions;
	const char **files;
	size_t file_count;
	const char *sysroot;
	const char *baseline;	/* file; NULL: none */
	uint64_t error_exitcode, fail_above;
	bool diff, top_set, fail_above_set, update_baseline, exit_report, help, version;
};

/* Fills in a zeroed command; 0, or -errno after having said on stderr what is wrong. */
int command_parse(struct command *c, int argc, char **argv);
void command_free(struct command *c);

void command_help(void);

#endif
