// SPDX-License-Identifier: MIT
/*
 * exit_report.h - what libleak.so says on stderr: complaints, and the report at
 * exit, which the leakreport found beside the library prints.
 */
#ifndef PRELOAD_EXIT_REPORT_H
#define PRELOAD_EXIT_REPORT_H

/* Remembers which file stderr is: the program may later close it and reuse the number. */
void exit_report_init(void);

/* Writes one line to stderr, if that still is what it was. */
void exit_report_say(const char *line);

/* Takes LD_PRELOAD and LIBLEAK out of the program's environment. */
void exit_report_clean_environment(void);

/*
 * Prints the report of the ended session if that is wanted, removes a temporary
 * session, and says where one is that stays.
 */
void exit_report_run(void);

#endif
