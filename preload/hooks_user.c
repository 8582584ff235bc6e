// SPDX-License-Identifier: MIT
/*
 * hooks_user.c - a program that gives up its rights takes its session along: the
 * temporary one is to be reported and removed by what it is then. (A session with a
 * name stays whose it is. The rights to its directory are not changed, either.)
 */
#include <errno.h>
#include <unistd.h>

#include "compiler.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"

#define UNCHANGED ((uid_t)-1)

/* Of this process? A forked child has none before its first event, and a vfork child its parent's. */
static bool has_temporary_session(void)
{
	return recorder_gate.gate.generation && recorder.temporary && !recorder.frozen &&
	       recorder_gate.gate.process == (uint32_t)syscall(SYS_getpid);
}

/* Before the rights are gone. True: the session is @effective's now. */
static bool give_session(uid_t effective)
{
	int err = errno;
	bool given = effective != UNCHANGED && effective != geteuid() && has_temporary_session() &&
		     !shm_give(&recorder.shm, effective);

	if (!real.resolved)
		real_resolve();
	errno = err;
	return given;
}

/* The user has changed, or not: then the session is taken back. */
static int changed(int ret, bool given)
{
	int err = errno;

	if (ret && given)
		shm_give(&recorder.shm, geteuid());
	errno = err;
	return ret;
}

/* Called while the real functions are being looked for. */
static int too_early(void)
{
	errno = EAGAIN;
	return -1;
}

EXPORT int setuid(uid_t uid)
{
	bool given = give_session(uid);

	return changed(real.setuid ? real.setuid(uid) : too_early(), given);
}

EXPORT int seteuid(uid_t uid)
{
	bool given = give_session(uid);

	return changed(real.seteuid ? real.seteuid(uid) : too_early(), given);
}

EXPORT int setreuid(uid_t uid, uid_t effective)
{
	bool given = give_session(effective);

	return changed(real.setreuid ? real.setreuid(uid, effective) : too_early(), given);
}

EXPORT int setresuid(uid_t uid, uid_t effective, uid_t saved)
{
	bool given = give_session(effective);

	return changed(real.setresuid ? real.setresuid(uid, effective, saved) : too_early(), given);
}
