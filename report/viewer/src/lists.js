// SPDX-License-Identifier: MIT
// lists.js - the processes, and what the recording was like.
import { el, name } from './dom.js';
import { lossList, samplingText } from './header.js';
import * as text from './text.js';

const SHOWN = 500;
const ENDS = ['', 'exit', '_exit', 'quick_exit', 'exec', 'detached', 'stopped', 'fork (not followed)'];

function table(heads, rows, label) {
	return el('div', { class: 'table-box', tabindex: 0, role: 'region', 'aria-label': label },
		el('table', { class: 'plain' },
			el('thead', null, el('tr', null, heads.map((h) => el('th', { scope: 'col' }, h)))),
			el('tbody', null, rows)));
}

function more(total) {
	return total > SHOWN && el('p', { class: 'note' }, `and ${text.count(total - SHOWN)} more`);
}

function amounts(model, p) {
	return model.kinds.map((kind, i) => p.live[i].count > 0 && el('div', { class: 'amount' },
		el('span', { class: `tag ${kind.kernel ? 'kernel' : 'user'}` }, kind.name), ' ',
		text.bytes(p.live[i].bytes), el('span', { class: 'note' },
			` ${text.count(p.live[i].count)} in ${text.count(p.sites[i])} site${p.sites[i] === 1 ? '' : 's'}`)));
}

// "592 filp + 592 sock_inode_cache"
function cachesOf(p) {
	return p.caches.length > 0 && el('div', { class: 'note caches' },
		p.caches.map((c, i) => [i ? ' + ' : '', text.count(c.count), ' ', name(c.name, 40)]));
}

// on.process(index): show only that process's sites
export function processes(model, on) {
	const list = model.processes.map((p, index) => ({ p, index }))
		.filter(({ p }) => p.total > 0 || p.session).sort((a, b) => b.p.total - a.p.total);
	return [table(['Process', 'Outstanding', 'Of which', 'Command'], list.slice(0, SHOWN).map(({ p, index }) =>
		el('tr', null,
			el('th', { scope: 'row' }, el('button', { type: 'button', class: 'plain-button',
				'data-process': index, onclick: () => on.process(index) }, name(p.label, 60)),
			p.parent ? el('div', { class: 'note' }, `forked by ${p.parent}`) : null),
			el('td', { class: 'figure-cell' }, text.bytes(p.total)),
			el('td', null, amounts(model, p), cachesOf(p)),
			el('td', { class: 'command' }, name(p.command || p.exe, 300),
				p.cgroup && el('div', { class: 'note' }, name(p.cgroup, 200))))), 'Processes'), more(list.length)];
}

function ending(s) {
	if (s.running) return 'still running';
	if (s.state !== 2) return 'killed';
	const status = s.end >= 1 && s.end <= 3 ? ` (${s.status ?? 0})` : '';
	return (ENDS[s.end] ?? '') + status;
}

function sessionRow(model, s) {
	const p = model.processes[s.process];
	return el('tr', null,
		el('th', { scope: 'row' }, name(s.name || '(unnamed)', 120),
			el('div', { class: 'note' }, s.kernel ? 'kernel' : name(p?.label ?? '', 60))),
		el('td', null, s.start ? text.clock(s.start) : '', el('div', { class: 'note' }, text.duration(s.duration ?? 0))),
		el('td', null, ending(s), s.damaged && el('div', { class: 'bad-text' }, 'damaged')),
		el('td', null, samplingText(s), s.depth && el('div', { class: 'note' }, `depth ${s.depth}`)),
		el('td', null, `${text.bytes(s.allocated.bytes)} allocated`,
			el('div', { class: 'note' }, `${text.count(s.allocated.count)} blocks, ${text.count(s.freed.count)} freed`),
			s.reserved && el('div', { class: 'note' }, `${text.bytes(s.reserved)} of addresses reserved besides`)),
		el('td', null, s.self_ms === undefined && s.self_bytes === undefined ? '\u2013' :
			text.bytes(s.self_bytes ?? 0), s.self_ms !== undefined &&
			el('div', { class: 'note' }, `${text.duration(s.self_ms)} CPU`)),
		el('td', null, s.losses.length ? lossList(s.losses) : 'none'));
}

function coverage(c) {
	const grown = c.active[1] - c.active[0], tracked = c.tracked[1] - c.tracked[0];
	if (grown <= 0) return '\u2013';
	return text.percent(Math.max(0, Math.min(tracked, grown)), grown);
}

function cacheRow(c) {
	return el('tr', null,
		el('th', { scope: 'row' }, name(c.name, 60), c.aliases && el('div', { class: 'note' }, name(c.aliases, 160))),
		el('td', null, text.bytes(c.slab || c.object || 0)),
		el('td', null, `${text.count(c.active[0])} \u2192 ${text.count(c.active[1])}`),
		el('td', null, `${text.count(c.tracked[0])} \u2192 ${text.count(c.tracked[1])}`),
		el('td', null, coverage(c)),
		el('td', null, `${text.count(c.allocs ?? 0)} / ${text.count(c.frees ?? 0)}`));
}

function cacheTable(model) {
	if (!model.caches.length) return null;
	const busy = (c) => c.tracked[1] > 0 || c.allocs > 0 || c.active[1] > c.active[0];
	const list = model.caches.filter(busy).sort((a, b) => (b.tracked[1] - a.tracked[1]) || (a.name < b.name ? -1 : 1));
	return [el('h2', null, 'Slab caches'),
		table(['Cache', 'Object', 'Active objects', 'Tracked', 'Growth covered', 'Allocs / frees'],
			list.slice(0, SHOWN).map(cacheRow), 'Slab caches'), more(list.length),
		el('p', { class: 'note' }, `${text.count(model.caches.length - list.length)} further caches saw nothing.`)];
}

function filterText(f) {
	const list = [];
	if (f.older !== undefined) list.push(`blocks older than ${text.duration(f.older)}`);
	if (f.min) list.push(`blocks of at least ${text.bytes(f.min)}`);
	if (f.max) list.push(`blocks of at most ${text.bytes(f.max)}`);
	if (f.pid) list.push(`process ${f.pid}`);
	if (f.module) list.push(`stacks through ${text.cut(f.module, 100)}`);
	if (f.domain) list.push(f.domain === 2 ? 'kernel memory' : 'user memory');
	if (f.patterns) list.push('sites chosen by --include or --exclude');
	if (f.top) list.push(`the ${text.count(f.top)} largest sites`);
	return list.length ? `Only ${list.join(', ')}.` : 'No filter was applied when the report was made.';
}

export function recording(model) {
	return [el('h2', null, 'Sessions'),
		table(['Session', 'Recorded', 'End', 'Sampling', 'Traffic', 'Cost of recording', 'Losses'],
			model.sessions.slice(0, SHOWN).map((s) => sessionRow(model, s)), 'Sessions'), more(model.sessions.length),
		cacheTable(model),
		el('h2', null, 'Filters'), el('p', null, filterText(model.filters))];
}
