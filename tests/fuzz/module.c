// SPDX-License-Identifier: MIT
/* module.c - a small program whose ELF file is what fuzzing of modules starts from. */
static int twice(int x)
{
	return 2 * x;
}

int main(int argc, char **argv)
{
	(void)argv;
	return twice(argc);
}
