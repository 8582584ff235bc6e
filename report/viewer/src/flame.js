// SPDX-License-Identifier: MIT
// flame.js - the flame graph: drawn and zoomed by d3-flame-graph, with a keyboard
// and a line that says what is pointed at.
import flamegraph from 'd3-flame-graph';
import { select } from 'd3-selection';
import { el, name, replace } from './dom.js';
import { buildTree } from './flametree.js';
import * as text from './text.js';

const CELL = 20;

// A hue per module within the domain's range, so that libraries can be told apart.
function hue(textOf, from, range) {
	let hash = 0;
	for (let i = 0; i < textOf.length; i++) hash = (hash * 31 + textOf.charCodeAt(i)) >>> 0;
	return from + hash % range;
}

function fill(d) {
	const { frame, kind, kernel } = d.data;
	const dark = document.documentElement.dataset.shade === 'dark';
	if (!frame && !kind) return dark ? '#8a94a3' : '#c9d0d9';
	if (!frame) return kernel ? (dark ? '#5f9fc4' : '#9fcbe6') : (dark ? '#d59a4f' : '#f3c489');
	const light = dark ? 60 : 74;
	return frame.kernel ? `hsl(${hue(frame.moduleName, 192, 28)} 60% ${light}%)` :
		`hsl(${hue(frame.moduleName, 18, 34)} 82% ${light}%)`;
}

export class FlameView {
	// on: { frame(index) }: show the sites through a frame
	constructor(on) {
		this.on = on;
		this.chart = el('div', { class: 'flame-chart', onmouseleave: () => this.say(this.focus ?? this.root) });
		this.what = el('div', { class: 'flame-what', 'aria-live': 'polite' });
		this.actions = el('div', { class: 'flame-actions' });
		this.status = el('div', { class: 'flame-status' }, this.what, this.actions);
		this.node = el('div', { class: 'flame', tabindex: 0, role: 'application', id: 'flame',
			'aria-label': 'Flame graph: arrow keys move, Enter zooms, Escape shows all',
			onkeydown: (event) => this.key(event) }, this.status, this.chart);
	}

	show(model, rows, state) {
		this.model = model;
		this.metric = state.metric;
		this.tree = buildTree(model, rows, state.metric);
		this.draw();
	}

	draw() {
		replace(this.chart);
		this.focus = this.zoomed = null;
		if (!this.tree || this.tree.value <= 0) {
			replace(this.what);
			replace(this.actions);
			this.root = undefined;
			replace(this.chart, el('p', { class: 'empty' }, 'Nothing outstanding passes the filters.'));
			return;
		}
		this.graph = flamegraph().width(Math.max(280, this.chart.clientWidth)).cellHeight(CELL)
			.inverted(true).minFrameSize(1).resetHeightOnZoom(true).transitionDuration(0)
			.sort((a, b) => b.value - a.value)
			.getName((d) => text.cut(d.data.name, 300))
			.setLabelHandler((d) => `${text.cut(d.data.name, 300)}: ${this.amount(d)}`)
			.setColorMapper(fill)
			.onClick((d) => this.zoomedTo(d)).onHover((d) => this.say(d));
		select(this.chart).datum(this.tree).call(this.graph);
		this.root = select(this.chart).datum();
		this.choose(null);
	}

	amount(d) {
		const show = this.metric === 'count' ? (n) => `${text.count(n)} blocks` : text.bytes;
		return `${show(d.data.value)} (${text.percent(d.data.value, this.tree.value)})`;
	}

	zoomedTo(d) {
		this.zoomed = d.parent ? d : null;
		this.choose(this.zoomed);
	}

	reset() {
		if (!this.zoomed) return false;
		this.graph.resetZoom();
		return true;
	}

	// What a frame is and holds.
	say(d) {
		if (!d) return;
		const { frame } = d.data;
		const place = frame?.fileName ? `${frame.fileName}${frame.line ? `:${frame.line}` : ''}` : '';
		replace(this.what, name(d.data.name, 240, 'function'), ' ', el('strong', null, this.amount(d)), ' ',
			frame?.moduleName && name(frame.moduleName, 80, 'module'), ' ',
			place && name(place, 160, 'place'));
	}

	// Makes a frame the one that keys and buttons are about; null: none.
	choose(d) {
		const index = d?.data.frameIndex;
		this.focus = d;
		this.say(d ?? this.root);
		select(this.chart).selectAll('g.frame').classed('focus', (other) => other === d);
		replace(this.actions,
			this.zoomed && el('button', { type: 'button', onclick: () => this.reset() }, 'Zoom out'),
			index !== undefined && el('button', { type: 'button', id: 'through-frame',
				onclick: () => this.on.frame(index) }, 'Sites through this frame'));
	}

	// ---- keyboard ----

	neighbour(key) {
		const d = this.focus ?? this.root;
		const shown = (list) => (list ?? []).filter((c) => c.x1 > c.x0);
		if (key === 'ArrowUp') return d.parent ?? d;
		if (key === 'ArrowDown') return shown(d.children).sort((a, b) => b.value - a.value)[0] ?? d;
		const siblings = shown(d.parent?.children);
		const i = siblings.indexOf(d) + (key === 'ArrowRight' ? 1 : -1);
		return siblings[i] ?? d;
	}

	key(event) {
		if (!this.root || event.target.closest('button')) return;
		if (/^Arrow/.test(event.key)) {
			this.choose(this.neighbour(event.key));
		} else if (event.key === 'Enter' && this.focus) {
			this.graph.zoomTo(this.focus);
		} else if (event.key === 'Escape' && this.zoomed) {
			this.reset();
			event.stopPropagation();
		} else {
			return;
		}
		event.preventDefault();
	}
}
