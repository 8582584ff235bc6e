// SPDX-License-Identifier: MIT
// toolbar.js - the filters that all views share.
import { el, replace } from './dom.js';
import * as text from './text.js';

const AGES = [[0, 'any age'], [1e3, '\u2265 1 s'], [10e3, '\u2265 10 s'], [60e3, '\u2265 1 min'], [600e3, '\u2265 10 min'],
	[3600e3, '\u2265 1 h'], [86400e3, '\u2265 1 day']];
const LISTED = 300;

const SORTS = { bytes: 'outstanding', count: 'blocks', growth: 'growth', oldest: 'oldest',
	suspicion: 'suspicion', kind: 'memory', name: 'function' };

function choice(label, id, value, entries, change) {
	const list = el('select', { id, onchange: (event) => change(event.target.value) },
		entries.map(([key, title]) => el('option', { value: key }, title)));
	list.value = String(value);
	return el('label', { class: 'choice' }, el('span', null, label), list);
}

function processEntries(model) {
	const list = model.processes.map((p, i) => [i, text.cut(p.label, 50), p.total])
		.filter(([, , total]) => total > 0).sort((a, b) => b[2] - a[2]).slice(0, LISTED);
	return [[-1, 'all processes'], ...list.map(([i, label, total]) => [i, `${label}: ${text.bytes(total)}`])];
}

function cacheEntries(model) {
	const sums = new Map();
	for (const site of model.sites) {
		const key = `${site.kindName}:${site.cacheName}`;
		sums.set(key, (sums.get(key) ?? 0) + site.live.bytes);
	}
	const list = [...sums].sort((a, b) => b[1] - a[1]).slice(0, LISTED);
	return [['', 'all memory'], ...list.map(([key]) => [key, text.cut(key.replace(/:$/, '').replace(':', ' '), 50)])];
}

function segments(label, id, value, entries, change) {
	return el('div', { class: 'segments', role: 'group', 'aria-label': label, id },
		entries.map(([key, title]) => el('button', { type: 'button', 'data-value': key,
			'aria-pressed': key === value ? 'true' : 'false', onclick: () => change(key) }, title)));
}

export class Toolbar {
	// on(changes): what the user changed, as members of the state
	constructor(on) {
		this.on = on;
		this.search = el('input', { type: 'search', id: 'search', placeholder: 'Search functions, files, caches',
			'aria-label': 'Search (press /)', maxlength: 500, spellcheck: 'false', autocomplete: 'off',
			oninput: () => this.typed() });
		this.count = el('span', { class: 'count', 'aria-live': 'polite', id: 'shown' });
		this.rest = el('div', { class: 'choices', id: 'filters' });
		this.more = el('button', { type: 'button', class: 'more', 'aria-controls': 'filters', 'aria-expanded': 'false',
			onclick: () => this.unfold() }, 'Filters');
		this.node = el('div', { class: 'toolbar', role: 'search' }, this.search, this.more, this.rest, this.count);
	}

	// Searching waits for a pause, so that typing stays smooth with many sites.
	typed() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.on({ query: this.search.value }), 120);
	}

	// In narrow windows the filters are behind a button.
	unfold() {
		const open = this.node.classList.toggle('unfolded');
		this.more.setAttribute('aria-expanded', open ? 'true' : 'false');
	}

	show(model, state) {
		if (document.activeElement !== this.search) this.search.value = state.query;
		const domains = new Set(model.sites.map((site) => site.kernel));
		const set = (key, parse = (v) => v) => (value) => this.on({ [key]: parse(value) });
		replace(this.rest,
			domains.size > 1 && segments('Domain', 'domain', state.domain,
				[['', 'All'], ['user', 'User'], ['kernel', 'Kernel']], set('domain')),
			model.processes.filter((p) => p.total > 0).length > 1 &&
				choice('Process', 'process', state.process, processEntries(model), set('process', Number)),
			(model.caches.length > 0 || domains.size > 1) &&
				choice('Memory', 'cache', state.cache, cacheEntries(model), set('cache')),
			choice('Oldest block', 'age', state.age, AGES, set('age', Number)),
			el('div', { class: 'narrow-only' },
				choice('Sort by', 'sort', state.sort, Object.entries(SORTS), (sort) => this.on({ sort, descending: true }))),
			state.frame >= 0 && model.frames[state.frame] && el('button', { type: 'button', class: 'chip', id: 'frame-chip',
				title: 'Show sites through other frames too', onclick: () => this.on({ frame: -1 }) },
			`through ${text.cut(model.frames[state.frame].name, 60)} \u2715`));
	}

	showTotals(rows, sum, about) {
		replace(this.count, el('strong', null, about + text.bytes(sum.bytes)),
			` in ${text.count(rows.length)} site${rows.length === 1 ? '' : 's'}`);
	}
}
