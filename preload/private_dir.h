// SPDX-License-Identifier: MIT
/*
 * private_dir.h - a directory for sessions that nobody asked to keep. One at a
 * time, from the main thread.
 *
 * Its maker holds a lock on it as long as it lives. A directory that nobody has
 * locked was left behind by one that was killed, and is removed by the next.
 */
#ifndef PRELOAD_PRIVATE_DIR_H
#define PRELOAD_PRIVATE_DIR_H

#include <linux/limits.h>

/*
 * Makes a directory that only this user can enter: in /dev/shm, $TMPDIR or /tmp,
 * the first that has room, else the one with the most. Removes what was left behind
 * there. 0 or -errno.
 */
int private_dir_make(char path[PATH_MAX]);

/* Removes the directory and what is in it. */
void private_dir_remove(const char *path);

#endif
