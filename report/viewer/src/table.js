// SPDX-License-Identifier: MIT
// table.js - the sites as a table of which only the rows in sight exist, so that
// tens of thousands scroll smoothly.
import { about } from './document.js';
import { el, name, replace } from './dom.js';
import * as text from './text.js';

const MARGIN = 6;	/* rows made above and below those in sight */

const COLUMNS = [
	{ key: 'bytes', label: 'Outstanding', wide: 'bytes outstanding' },
	{ key: 'count', label: 'Blocks', wide: 'blocks outstanding' },
	{ key: 'growth', label: 'Growth/min', wide: 'growth per minute' },
	{ key: 'oldest', label: 'Oldest', wide: 'age of the oldest block' },
	{ key: 'kind', label: 'Memory', wide: 'kind of memory, slab cache' },
	{ key: 'name', label: 'Allocated in', wide: 'function' },
];

export class SiteTable {
	// on: { sort(key), choose(row), move(row) }
	constructor(on) {
		this.on = on;
		this.rows = [];
		this.current = -1;
		this.heads = el('div', { class: 'head', role: 'row', 'aria-rowindex': 1 });
		this.body = el('div', { class: 'rows', role: 'presentation' });
		this.scroller = el('div', { class: 'scroller', role: 'presentation',
			onscroll: () => this.schedule() }, this.body);
		this.node = el('div', { class: 'grid', role: 'grid', tabindex: 0, id: 'sites-grid',
			'aria-label': 'Allocation sites', 'aria-colcount': COLUMNS.length,
			onkeydown: (event) => this.key(event) }, this.heads, this.scroller);
		this.empty = el('p', { class: 'empty' }, 'No site passes the filters.');
		new ResizeObserver(() => { this.height = 0; this.schedule(); }).observe(this.scroller);
	}

	// rows: {site, count, bytes, oldest}, in order.
	show(model, rows, state, hasGrowth) {
		this.model = model;
		this.rows = rows;
		this.largest = rows.reduce((max, row) => Math.max(max, row.bytes), 1);
		this.hasGrowth = hasGrowth;
		this.node.classList.toggle('no-growth', !hasGrowth);
		this.node.setAttribute('aria-rowcount', rows.length + 1);
		this.showHeads(state);
		replace(this.scroller, rows.length ? this.body : this.empty);
		this.mark(rows.findIndex((row) => row.site === this.chosen));
		this.draw();
	}

	showHeads(state) {
		const columns = COLUMNS.filter((c) => c.key !== 'growth' || this.hasGrowth);
		replace(this.heads, columns.map((c) => {
			const active = state.sort === c.key;
			const order = !active ? 'none' : state.descending ? 'descending' : 'ascending';
			return el('div', { role: 'columnheader', class: `cell ${c.key}`, 'aria-sort': order },
				el('button', { type: 'button', 'data-sort': c.key, title: `Sort by ${c.wide}`,
					onclick: () => this.on.sort(c.key) }, c.label,
				el('span', { class: 'arrow', 'aria-hidden': 'true' },
					!active ? '' : state.descending ? '\u25be' : '\u25b4')));
		}));
	}

	// As the style sheet has it for this width of the window.
	rowHeight() {
		this.height ||= parseFloat(getComputedStyle(this.node).getPropertyValue('--row')) || 48;
		return this.height;
	}

	schedule() {
		if (this.frame) return;
		this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
	}

	draw() {
		const height = this.rowHeight();
		const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - MARGIN);
		const seen = Math.ceil(this.scroller.clientHeight / height) + 2 * MARGIN;
		this.body.style.height = `${this.rows.length * height}px`;
		replace(this.body, this.rows.slice(first, first + seen)
			.map((row, i) => this.rowNode(row, first + i, height)));
		if (this.current >= 0) this.node.setAttribute('aria-activedescendant', `row-${this.current}`);
		else this.node.removeAttribute('aria-activedescendant');
	}

	rowNode(row, index, height) {
		const { site } = row;
		const node = el('div', { role: 'row', id: `row-${index}`, 'aria-rowindex': index + 2,
			'aria-selected': index === this.current ? 'true' : 'false',
			class: `row ${site.kernel ? 'kernel' : 'user'}${site === this.chosen ? ' chosen' : ''}`,
			'data-index': index, 'data-id': site.id,
			onclick: () => { this.mark(index); this.on.choose(row); } }, this.cells(row));
		node.style.transform = `translateY(${index * height}px)`;
		node.style.height = `${height}px`;
		return node;
	}

	cells(row) {
		const { site } = row, approx = about([site.live]);
		const title = this.model.title(site);
		const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
		bar.style.width = `${100 * row.bytes / this.largest}%`;
		const cell = (key, ...content) => el('div', { role: 'gridcell', class: `cell ${key}` }, content);
		return [
			cell('bytes', bar, el('span', null, approx + text.bytes(row.bytes))),
			cell('count', approx + text.count(row.count), el('span', { class: 'unit' }, row.count === 1 ? ' block' : ' blocks')),
			this.hasGrowth && cell('growth' + (site.growth > 0.5 ? ' grows' : ''), text.growth(site.growth, ''), el('span', { class: 'unit' }, '/min')),
			cell('oldest', el('span', { class: 'unit' }, 'oldest '), row.count ? text.duration(row.oldest) : '\u2013'),
			cell('kind', el('span', { class: 'tag' }, site.kindName),
				site.cacheName && name(site.cacheName, 40, 'cache')),
			cell('name', name(title.name, 200, 'function'), this.callers(title)),
		];
	}

	callers(title) {
		const module = title.frame?.moduleName;
		return el('div', { class: 'callers' },
			module && name(module, 60, 'module'),
			title.callers.map((frame) => ['\u2009\u2190\u2009', name(frame.name, 60)]),
			title.entry && [' \u22ef ', name(title.entry.name, 60)]);
	}

	// ---- keyboard ----

	mark(index) {
		this.current = index;
		if (index >= 0) this.chosen = this.rows[index].site;
	}

	clear() {
		this.chosen = undefined;
		this.current = -1;
		this.draw();
	}

	reveal(index) {
		const height = this.rowHeight(), top = index * height, box = this.scroller;
		if (top < box.scrollTop) box.scrollTop = top;
		else if (top + height > box.scrollTop + box.clientHeight)
			box.scrollTop = top + height - box.clientHeight;
	}

	moveTo(index) {
		if (!this.rows.length) return;
		this.mark(Math.min(Math.max(index, 0), this.rows.length - 1));
		this.reveal(this.current);
		this.draw();
		this.on.move(this.rows[this.current]);
	}

	key(event) {
		if (event.target.closest('button') || event.altKey || event.ctrlKey || event.metaKey) return;
		const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight()) - 1);
		const to = { ArrowDown: this.current + 1, j: this.current + 1, ArrowUp: this.current - 1,
			k: this.current - 1, PageDown: this.current + page, PageUp: this.current - page,
			Home: 0, End: this.rows.length - 1 }[event.key];
		if (to !== undefined) this.moveTo(to);
		else if (event.key === 'Enter' && this.current >= 0) this.on.choose(this.rows[this.current]);
		else return;
		event.preventDefault();
	}
}
