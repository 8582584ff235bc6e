// SPDX-License-Identifier: MIT
/* html_page.c - the file VIEWER_PAGE, put into the program by the assembler. */
#include "report/html_page.h"

__asm__(".pushsection .rodata\n"
	".global html_page\n"
	"html_page:\n"
	".incbin \"" VIEWER_PAGE "\"\n"
	".Lhtml_page_end:\n"
	".byte 0\n"
	".balign 8\n"
	".global html_page_size\n"
	"html_page_size:\n"
	".quad .Lhtml_page_end - html_page\n"
	".popsection\n");
