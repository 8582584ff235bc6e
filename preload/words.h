// SPDX-License-Identifier: MIT
/*
 * words.h - splits a command line into words by the shell's quoting rules,
 * without a shell: blanks separate; '...' is literal; in "..." a backslash
 * quotes " \ $ ` and removes a newline; elsewhere it quotes any character.
 * Nothing is expanded or redirected: $ * | > ; & are ordinary characters.
 * (POSIX.1-2017, Shell Command Language, 2.2 Quoting.)
 */
#ifndef PRELOAD_WORDS_H
#define PRELOAD_WORDS_H

/*
 * *words: NULL-terminated, in one block for free(). 0, -EINVAL (a quote is not
 * closed, or a backslash is last) or -ENOMEM. Thread-safe.
 */
int words_split(const char *text, char ***words);

#endif
