// SPDX-License-Identifier: MIT
/* exercise.h - runs everything that reads sessions over one, whatever it holds. */
#ifndef TESTS_SUPPORT_EXERCISE_H
#define TESTS_SUPPORT_EXERCISE_H

/*
 * Opens the session, merges it with itself and prints it in all formats to a file that
 * keeps nothing. 0, or the error of opening or building; anything but a crash, a hang or
 * a sanitizer's complaint is right.
 */
int exercise_session(const char *path);

#endif
