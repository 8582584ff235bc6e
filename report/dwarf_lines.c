// SPDX-License-Identifier: MIT
/* dwarf_lines.c - source lines and inlined functions of an address, from DWARF. */
#include "report/dwarf_lines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Deeper nesting, or more of it, is no compiler's work. */
#define DIE_DEPTH_MAX 64
#define RANGES_MAX (1u << 24)

/* [start, end) belongs to entry `what`: a unit's index, or a function's DIE offset. */
struct range {
	uint64_t start, end;
	uint64_t what;
};

struct ranges {
	struct range *list;
	size_t count, room;
};

struct unit {
	Dwarf_Die die;		/* where functions are (of a split unit: the split part) */
	Dwarf_Die lines;	/* where lines are (its skeleton) */
	struct ranges functions;
	bool loaded;
};

struct dwarf_lines {
	Dwarf *dw;
	struct unit *units;
	size_t count, room;
	struct ranges ranges;
};

/* ---- sorted ranges ---- */

static int add_range(struct ranges *r, uint64_t start, uint64_t end, uint64_t what)
{
	if (end <= start || !start)
		return 0;	/* start 0: a function that the linker dropped */
	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct range *list = room <= RANGES_MAX ?
			realloc(r->list, room * sizeof(*list)) : NULL;

		if (!list)
			return -ENOMEM;
		r->list = list;
		r->room = room;
	}
	r->list[r->count++] = (struct range){ start, end, what };
	return 0;
}

static int add_die_ranges(struct ranges *r, Dwarf_Die *die, uint64_t what)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;
	int err = 0;

	while (!err && (offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0)
		err = add_range(r, start, end, what);
	return err;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

static void sort_ranges(struct ranges *r)
{
	if (r->count)
		qsort(r->list, r->count, sizeof(*r->list), compare_ranges);
}

/* The innermost range around addr, looking back over a few that end before it. */
static const struct range *find_range(const struct ranges *r, uint64_t addr)
{
	size_t lo = 0, hi = r->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->list[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t back = 0; back < 32 && lo > back; back++)
		if (addr < r->list[lo - 1 - back].end)
			return &r->list[lo - 1 - back];
	return NULL;
}

/* ---- units ---- */

static int add_unit(struct dwarf_lines *dl, Dwarf_Die *cudie, Dwarf_Die *subdie)
{
	struct unit *u;

	if (dl->count == dl->room) {
		size_t room = dl->room ? dl->room * 2 : 64;
		struct unit *units = realloc(dl->units, room * sizeof(*units));

		if (!units)
			return -ENOMEM;
		dl->units = units;
		dl->room = room;
	}
	u = &dl->units[dl->count];
	memset(u, 0, sizeof(*u));
	u->lines = *cudie;
	u->die = dwarf_tag(subdie) != DW_TAG_invalid ? *subdie : *cudie;
	return add_die_ranges(&dl->ranges, cudie, dl->count++);
}

struct dwarf_lines *dwarf_lines_new(Dwarf *dw)
{
	struct dwarf_lines *dl = calloc(1, sizeof(*dl));
	Dwarf_Die cudie, subdie;
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	uint8_t type;

	if (!dl)
		return NULL;
	dl->dw = dw;
	while (!dwarf_get_units(dw, cu, &cu, &version, &type, &cudie, &subdie)) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		if (add_unit(dl, &cudie, &subdie)) {
			dwarf_lines_free(dl);
			return NULL;
		}
	}
	sort_ranges(&dl->ranges);
	return dl;
}

void dwarf_lines_free(struct dwarf_lines *dl)
{
	if (!dl)
		return;
	for (size_t i = 0; i < dl->count; i++)
		free(dl->units[i].functions.list);
	free(dl->units);
	free(dl->ranges.list);
	free(dl);
}

/* ---- functions of a unit ---- */

/* The next DIE on this level; a sibling reference that leads backwards ends the walk. */
static bool next_sibling(Dwarf_Die *die)
{
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) || dwarf_dieoffset(&next) <= dwarf_dieoffset(die))
		return false;
	*die = next;
	return true;
}

static int collect_functions(struct ranges *r, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;
	int err = 0;

	if (depth > DIE_DEPTH_MAX || dwarf_child(parent, &die))
		return 0;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			err = add_die_ranges(r, &die, dwarf_dieoffset(&die));
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
			err = collect_functions(r, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (!err && next_sibling(&die));
	return err;
}

static void load_unit(struct unit *u)
{
	u->loaded = true;
	/* Without memory some functions stay unknown; the symbol table names them. */
	if (!collect_functions(&u->functions, &u->die, 0))
		sort_ranges(&u->functions);
	else
		u->functions.count = 0;
}

/* ---- one address ---- */

static const char *function_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return dwarf_formstring(&attr);
	if (dwarf_attr_integrate(die, DW_AT_name, &attr))
		return dwarf_formstring(&attr);
	return NULL;
}

/*
 * Descends from a function's DIE to the innermost inlined function at addr; the
 * chain is kept outermost first.
 */
static size_t inlined_chain(Dwarf_Die *function, uint64_t addr, Dwarf_Die chain[DWARF_CALLS_MAX])
{
	Dwarf_Die at = *function, die;
	size_t count = 0;

	chain[count++] = *function;
	for (int depth = 0; depth < DIE_DEPTH_MAX && !dwarf_child(&at, &die); depth++) {
		bool found = false;

		do {
			int tag = dwarf_tag(&die);

			if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block)
				continue;
			found = dwarf_haspc(&die, addr) > 0;
			if (found && tag == DW_TAG_inlined_subroutine && count < DWARF_CALLS_MAX)
				chain[count++] = die;
		} while (!found && next_sibling(&die));
		if (!found)
			break;
		at = die;
	}
	return count;
}

/* Where the code of an inlined function was called from. */
static void call_site(struct unit *u, Dwarf_Die *inlined, const char **file, uint32_t *line)
{
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Word value;
	size_t count;

	*file = NULL;
	*line = 0;
	if (dwarf_attr(inlined, DW_AT_call_line, &attr) && !dwarf_formudata(&attr, &value) &&
	    value <= UINT32_MAX)
		*line = (uint32_t)value;
	if (dwarf_attr(inlined, DW_AT_call_file, &attr) && !dwarf_formudata(&attr, &value) &&
	    !dwarf_getsrcfiles(&u->lines, &files, &count) && value < count)
		*file = dwarf_filesrc(files, value, NULL, NULL);
}

static void source_line(struct unit *u, uint64_t addr, const char **file, uint32_t *line)
{
	Dwarf_Line *entry = dwarf_getsrc_die(&u->lines, addr);
	int number;

	*file = entry ? dwarf_linesrc(entry, NULL, NULL) : NULL;
	*line = entry && !dwarf_lineno(entry, &number) && number > 0 ? (uint32_t)number : 0;
}

static size_t find_in_unit(struct unit *u, uint64_t addr, struct dwarf_call *calls)
{
	const struct range *r;
	Dwarf_Die function, chain[DWARF_CALLS_MAX];
	const char *file;
	uint32_t line;
	size_t count = 0, n = 0;

	if (!u->loaded)
		load_unit(u);
	source_line(u, addr, &file, &line);
	r = find_range(&u->functions, addr);
	if (r && dwarf_offdie(dwarf_cu_getdwarf(u->die.cu), r->what, &function))
		count = inlined_chain(&function, addr, chain);
	while (count--) {
		calls[n++] = (struct dwarf_call){
			.function = function_name(&chain[count]), .file = file, .line = line,
			.inlined = count > 0, .start = count ? 0 : r->start,
		};
		if (count)
			call_site(u, &chain[count], &file, &line);
	}
	if (!n && file)
		calls[n++] = (struct dwarf_call){ .file = file, .line = line };
	return n;
}

size_t dwarf_lines_find(struct dwarf_lines *dl, uint64_t addr,
			struct dwarf_call calls[DWARF_CALLS_MAX])
{
	const struct range *r = find_range(&dl->ranges, addr);

	return r ? find_in_unit(&dl->units[r->what], addr, calls) : 0;
}
