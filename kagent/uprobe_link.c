// SPDX-License-Identifier: MIT
/* uprobe_link.c - BPF_LINK_CREATE, bpf(2); layout: union bpf_attr of Linux 6.6. */
#define _GNU_SOURCE
#include "kagent/uprobe_link.h"

#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The part of union bpf_attr that matters here: older headers lack it. */
struct link_create {
	uint32_t program, target, type, flags;
	uint64_t path, offsets, counters, cookies;
	uint32_t count, link_flags, pid, reserved;
};

static uint32_t value_of(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_enum *e = btf_enum(type);

	for (int i = 0; i < btf_vlen(type); i++, e++) {
		const char *text = btf__name_by_offset(btf, e->name_off);

		if (text && !strcmp(text, name))
			return (uint32_t)e->val;
	}
	return 0;
}

/*
 * A kernel that has sessions also compares the process right: before 6.10 the
 * links of some kernels saw one thread only.
 */
void uprobe_link_types(struct uprobe_link_types *types)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, "bpf_attach_type", BTF_KIND_ENUM) : -1;

	*types = (struct uprobe_link_types){ 0, 0 };
	if (id > 0) {
		const struct btf_type *type = btf__type_by_id(btf, (uint32_t)id);

		types->plain = value_of(btf, type, "BPF_TRACE_UPROBE_MULTI");
		types->session = value_of(btf, type, "BPF_TRACE_UPROBE_SESSION");
	}
	btf__free(btf);
}

int uprobe_link(int program, uint32_t type, const char *path, pid_t pid, const uint64_t *offsets,
		const uint64_t *cookies, uint32_t count)
{
	struct link_create attr = {
		.program = (uint32_t)program, .type = type, .path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets, .cookies = (uintptr_t)cookies, .count = count,
		.pid = (uint32_t)pid,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}
