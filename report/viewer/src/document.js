// SPDX-License-Identifier: MIT
// document.js - the report's data, as report/html_data.c wrote it, into objects.
import { harmless } from './text.js';

// Figures of a sample are estimates, unless each of the blocks was certain to be in it.
export function about(figures) {
	return figures.some((f) => f.bytesBound > 0 || f.countBound > 0) ? '\u2248\u2009' : '';
}

export const FRAME_INLINED = 1, FRAME_KERNEL = 2;
export const STACK_CUT = 1, STACK_PARTIAL = 2, STACK_OVERFLOW = 4;

// Frames that only pass an allocation on; a site is named after the first other one.
const PLUMBING = new RegExp([
	'^_*(?:libc_)?(?:k|kv|v|x|xx|m|c|re|vz|kz|kvm|devm_k)?(?:malloc|zalloc|calloc|realloc|memdup|strdup|strndup)',
	'^_*(?:posix_memalign|aligned_alloc|memalign|valloc|pvalloc|mmap(?:64)?|mremap|brk|sbrk)(?:$|@)',
	'^_*kmem_cache_alloc', '^_*kmalloc', '^_*slab_', '^_*alloc_pages', '^_*get_free_pages?',
	'^(?:void\\* )?operator new', '^_Zn[wa]', '^std::(?:__\\w+::)?(?:allocator|_?_?alloc|new_allocator)',
	'^__gnu_cxx::', '^std::(?:__\\w+::)?(?:vector|_Vector_base|basic_string|deque|_Deque_base|_Hashtable|_Rb_tree)',
	'^g_(?:try_)?(?:malloc|realloc|slice_alloc|strdup)', '^(?:mem|str)dup',
].join('|'));

function figure(f) {
	return { count: f?.[0] ?? 0, bytes: f?.[1] ?? 0, countBound: f?.[2] ?? 0, bytesBound: f?.[3] ?? 0 };
}

function losses(list) {
	return (list ?? []).map(([count, name, text, understates]) =>
		({ count, name, text, understates: !!understates }));
}

function readFrames(doc, strings) {
	return doc.frames.map(([fn, module, flags = 0, file = 0, line = 0, offset = '']) => ({
		fn, module, flags, file, line, offset,
		name: strings[fn] || (!offset ? '(unknown)' : strings[module] ? `${strings[module]}+0x${offset}` : `0x${offset}`),
		moduleName: strings[module], fileName: strings[file],
		kernel: (flags & FRAME_KERNEL) !== 0,
	}));
}

function readSites(doc, strings) {
	return doc.sites.map((s, index) => ({
		...s, index,
		kernel: !!doc.kinds[s.kind][1], kindName: doc.kinds[s.kind][0],
		cacheName: s.cache === undefined ? '' : strings[s.cache],
		flags: s.flags ?? 0,
		live: figure(s.live), inherited: figure(s.inherited),
		allocated: figure(s.allocated), freed: figure(s.freed),
		peak: s.peak ?? 0, growth: s.growth ?? 0, suspicion: s.suspicion ?? 0,
		newest: s.age?.[0] ?? 0, oldest: s.age?.[1] ?? 0,
	}));
}

function textMembers(object, ...names) {
	const out = { ...object };
	for (const member of names) out[member] = harmless(object[member] ?? '');
	return out;
}

// Of /proc/PID/cgroup, "ID:CONTROLLERS:PATH" per line, the paths that say something.
function cgroupPaths(text) {
	const paths = text.split('\n').map((line) => line.replace(/^\d+:[^:]*:/, ''));
	return [...new Set(paths)].filter((path) => path && path !== '/').join(', ');
}

function readProcess(p, strings) {
	const out = textMembers({ ...p, cgroup: cgroupPaths(p.cgroup ?? '') },
		'comm', 'exe', 'command', 'host', 'cgroup');
	out.live = p.live.map(figure);
	out.caches = (p.caches ?? []).map(([cache, count, bytes]) => ({ name: strings[cache], count, bytes }));
	out.total = out.live.reduce((sum, f) => sum + f.bytes, 0);
	out.label = `${out.comm || out.exe || 'process'} (${p.pid})`;
	return out;
}

function readSummary(s) {
	return {
		...s, all: figure(s.all), live: s.live.map(figure), inherited: figure(s.inherited),
		freedUnseen: figure(s.freed_unseen), suppressed: figure(s.suppressed),
		hidden: figure(s.hidden), known: figure(s.known), losses: losses(s.losses),
		sites: s.sites ?? 0, sitesLive: s.sites_live ?? 0,
	};
}

class Model {
	constructor(doc) {
		const strings = doc.strings.map(harmless);
		this.made = doc.made;
		this.refresh = doc.refresh ?? 0;
		this.kinds = doc.kinds.map(([name, kernel]) => ({ name, kernel: !!kernel }));
		this.summary = readSummary(doc.summary);
		this.filters = textMembers(doc.filters, 'module');
		this.sessions = doc.sessions.map((s) =>
			({ ...textMembers(s, 'name'), losses: losses(s.losses),
				allocated: figure(s.allocated), freed: figure(s.freed) }));
		this.processes = doc.processes.map((p) => readProcess(p, strings));
		this.caches = doc.caches.map((c) => textMembers(c, 'name', 'aliases'));
		this.strings = strings;
		this.frames = readFrames(doc, strings);
		this.nodes = Uint32Array.from(doc.nodes);	// parent, frame, parent, frame ...
		this.sites = readSites(doc, strings);
		this.timeline = doc.timeline;
	}

	// Frames of a stack, innermost first.
	stack(site) {
		const frames = [];
		for (let node = site.node; node; node = this.nodes[2 * node])
			frames.push(this.frames[this.nodes[2 * node + 1]]);
		return frames;
	}

	// What to call a site: { name, frame, callers: frames, entry: where user space entered the kernel }.
	title(site) {
		if (site.titleCache) return site.titleCache;
		const frames = this.stack(site);
		let first = frames.findIndex((f) => f.fn && !PLUMBING.test(f.name));
		if (first < 0) first = 0;
		site.titleCache = {
			name: frames.length ? frames[first].name :
				site.flags & STACK_OVERFLOW ? '(stacks beyond max-stacks)' : '(no stack)',
			frame: frames[first],
			callers: frames.slice(first + 1, first + 4),
			entry: site.kernel ? frames.find((f, i) => !f.kernel && i > first + 3) : undefined,
		};
		return site.titleCache;
	}

	get sampled() {
		return !!this.summary.sampled;
	}
}

function parse(text) {
	const doc = JSON.parse(text);
	if (doc.version !== 1) throw new Error(`data of version ${doc.version}, the viewer knows 1`);
	return new Model(doc);
}

// The data is base64 of zlib's format, see report/html_pack.h.
export async function readDocument(packed) {
	const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
	const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
	return parse(await new Response(unpacked).text());
}
