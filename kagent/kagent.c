// SPDX-License-Identifier: MIT
/* kagent.c - the command: hands its words to a subcommand. */
#include "kagent/cmd.h"

#include "report/bus_guard.h"

#include <locale.h>
#include <signal.h>
#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "top", cmd_top }, { "procs", cmd_procs }, { "slabs", cmd_slabs },
		{ "import", cmd_import }, { "uprobe", cmd_uprobe },
	};

	setlocale(LC_CTYPE, "");
	signal(SIGXFSZ, SIG_IGN);	/* an output that is too large is an error like others */
	bus_guard_install();
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return cmd_track(argc, argv);
}
