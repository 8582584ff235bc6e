// SPDX-License-Identifier: MIT
/*
 * bus_guard.h - a mapped file that is cut while it is read must not end the program.
 *
 * elfutils maps large modules and debug files. Where such a file has become shorter the
 * kernel raises SIGBUS; from then on zeros are read there, which those who read untrusted
 * files can live with. For commands: signal handlers are the whole process's.
 */
#ifndef REPORT_BUS_GUARD_H
#define REPORT_BUS_GUARD_H

/* From now on, in all threads. A SIGBUS that was sent by someone still ends the program. */
void bus_guard_install(void);

#endif
