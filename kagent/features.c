// SPDX-License-Identifier: MIT
/* features.c - kernel features from BTF, and why there may be none. */
#include "kagent/features.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* The prototype of a tracepoint's probe; its parameter 0 is the probe's own data. */
static const struct btf_type *probe_proto(const struct btf *btf, const char *event)
{
	const struct btf_type *t;
	char name[64];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", event);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return NULL;
	t = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
	if (t && btf_is_ptr(t))
		t = btf__type_by_id(btf, t->type);
	return t && btf_is_func_proto(t) ? t : NULL;
}

/* Is argument `index` (from 0) of the event a pointer to this structure? */
static bool arg_is(const struct btf *btf, const char *event, unsigned index, const char *type)
{
	const struct btf_type *proto = probe_proto(btf, event), *t;
	int id;

	if (!proto || btf_vlen(proto) <= index + 1)
		return false;
	t = btf__type_by_id(btf, btf_params(proto)[index + 1].type);
	if (!t || !btf_is_ptr(t))
		return false;
	id = t->type;
	for (t = btf__type_by_id(btf, id); t && btf_is_mod(t); t = btf__type_by_id(btf, id))
		id = t->type;
	return t && btf_is_struct(t) && !strcmp(btf__name_by_offset(btf, t->name_off), type);
}

static bool has_func(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

static void detect(const struct btf *btf, struct features *f)
{
	const struct btf_type *percpu = probe_proto(btf, "percpu_alloc_percpu");

	f->kmalloc = probe_proto(btf, "kmalloc");
	f->kmalloc_node = probe_proto(btf, "kmalloc_node");
	f->cache_alloc = probe_proto(btf, "kmem_cache_alloc");
	f->cache_alloc_node = probe_proto(btf, "kmem_cache_alloc_node");
	f->kfree = probe_proto(btf, "kfree");
	f->cache_free = probe_proto(btf, "kmem_cache_free");
	f->page_alloc = probe_proto(btf, "mm_page_alloc");
	f->page_free = probe_proto(btf, "mm_page_free");
	f->percpu_alloc = percpu;
	f->percpu_has_call_site = percpu && btf_vlen(percpu) == 11;
	f->percpu_free = probe_proto(btf, "percpu_free_percpu");
	f->alloc_has_cache = arg_is(btf, "kmem_cache_alloc", 2, "kmem_cache");
	f->free_has_cache = arg_is(btf, "kmem_cache_free", 2, "kmem_cache");
	f->kfunc = has_func(btf, "bpf_get_kmem_cache");
	f->bulk_free = has_func(btf, "kmem_cache_free_bulk");
	f->bulk_alloc = has_func(btf, "kmem_cache_alloc_bulk");
	f->bulk_alloc_noprof = has_func(btf, "kmem_cache_alloc_bulk_noprof");
	f->slab_layout = btf__find_by_name_kind(btf, "slab", BTF_KIND_STRUCT) > 0;
}

int features_detect(struct features *f)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int err = libbpf_get_error(btf);

	if (err)
		return err;
	memset(f, 0, sizeof(*f));
	detect(btf, f);
	btf__free(btf);
	return 0;
}

/* ---- why not ---- */

static uint64_t effective_caps(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps;
}

static bool lacks_caps(char *why, size_t size)
{
	uint64_t caps = effective_caps();

	if (caps >> CAP_SYS_ADMIN & 1)
		return false;
	if ((caps >> CAP_BPF & 1) && (caps >> CAP_PERFMON & 1))
		return false;
	snprintf(why, size, "%s%s%s missing: run it as root, or give it both capabilities "
		 "(setcap cap_bpf,cap_perfmon,cap_syslog+ep; before Linux 5.8: CAP_SYS_ADMIN)",
		 caps >> CAP_BPF & 1 ? "" : "CAP_BPF",
		 (caps >> CAP_BPF & 1) || (caps >> CAP_PERFMON & 1) ? "" : " and ",
		 caps >> CAP_PERFMON & 1 ? "" : "CAP_PERFMON");
	return true;
}

static bool locked_down(char *why, size_t size)
{
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	if (!strstr(line, "[confidentiality]"))
		return false;
	snprintf(why, size, "the kernel is locked down (confidentiality): BPF may not read its "
		 "memory; boot with lockdown=integrity or without lockdown");
	return true;
}

static bool lacks_btf(char *why, size_t size)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		return false;
	snprintf(why, size, "this kernel describes no types (/sys/kernel/btf/vmlinux: %s): it has "
		 "to be built with CONFIG_DEBUG_INFO_BTF=y", strerror(errno));
	return true;
}

static bool memlock_is_low(char *why, size_t size)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) || r.rlim_cur == RLIM_INFINITY)
		return false;
	snprintf(why, size,
		 "memory to be locked may be limited to %llu KiB: try ulimit -l unlimited, "
		 "or a smaller --max-objects",
		 (unsigned long long)r.rlim_cur / 1024);
	return true;
}

void features_why_not(char *why, size_t size)
{
	why[0] = 0;
	if (!lacks_caps(why, size) && !lacks_btf(why, size) && !locked_down(why, size))
		memlock_is_low(why, size);
}
