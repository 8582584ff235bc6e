// SPDX-License-Identifier: MIT
// detail.js - one site: its figures, its ages, its stack, and who holds it.
import { el, name, replace } from './dom.js';
import { about, FRAME_INLINED, STACK_CUT, STACK_OVERFLOW, STACK_PARTIAL } from './document.js';
import * as histogram from './histogram.js';
import * as timeline from './timeline.js';
import { siteKey } from './state.js';
import * as text from './text.js';

const HOLDERS_SHOWN = 20;
const VERDICTS = ['too young to check', 'found allocated', 'freed unseen', 'slab gone', 'not verifiable'];

function figure(label, value, note) {
	return el('div', { class: 'figure' }, el('dt', null, label),
		el('dd', null, value, note && el('span', { class: 'note' }, ' ', note)));
}

function bound(value, format) {
	return value > 0 ? `\u00b1 ${format(value)} (95 %)` : '';
}

function figures(site) {
	const { live, allocated, freed } = site;
	const list = [
		figure('Outstanding', about([live]) + text.bytes(live.bytes), bound(live.bytesBound, text.bytes)),
		figure('Blocks', about([live]) + text.count(live.count), bound(live.countBound, text.count)),
		live.count > 0 && figure('Average', text.bytes(live.bytes / live.count)),
		live.count > 0 && figure('Age', site.newest === site.oldest ? text.duration(site.oldest) :
			`${text.duration(site.newest)} \u2013 ${text.duration(site.oldest)}`),
		site.growth !== 0 && figure('Growth', text.growth(site.growth)),
		allocated.count > 0 && figure('Allocated in all', text.bytes(allocated.bytes), `${text.count(allocated.count)} blocks`),
		freed.count > 0 && figure('Freed', text.bytes(freed.bytes), `${text.count(freed.count)} blocks`),
		site.peak > 0 && figure('Peak', text.bytes(site.peak)),
		site.inherited.count > 0 && figure('Inherited at fork', text.bytes(site.inherited.bytes),
			`${text.count(site.inherited.count)} blocks`),
	];
	return el('dl', { class: 'figures' }, list);
}

function sourceOf(frame) {
	if (!frame.fileName) return null;
	return el('div', { class: 'place' }, name(frame.fileName, 300, 'file'), frame.line ? `:${frame.line}` : '');
}

function frameItem(frame, index) {
	const unknown = !frame.fn;
	return el('li', { class: `frame ${frame.kernel ? 'kernel' : 'user'}`, value: index },
		el('div', null, name(frame.name, 400, unknown ? 'function unknown' : 'function'), ' ',
			frame.moduleName && !unknown && name(frame.moduleName, 80, 'module'),
			(frame.flags & FRAME_INLINED) !== 0 && el('span', { class: 'tag' }, 'inlined')),
		sourceOf(frame));
}

function stackNotes(site) {
	return [
		(site.flags & STACK_OVERFLOW) && 'More distinct stacks occurred than max-stacks allows: these blocks come from the others.',
		(site.flags & STACK_CUT) && 'The stack is deeper than the depth setting: outer frames are missing.',
		(site.flags & STACK_PARTIAL) && 'The stack ends early, for want of unwind information.',
	].filter(Boolean).map((note) => el('p', { class: 'note' }, note));
}

function stackSection(model, site) {
	const frames = model.stack(site);
	return el('section', { 'aria-label': 'Stack' },
		el('h3', null, `Stack, innermost first (${frames.length})`),
		el('ol', { class: 'stack', start: 0 }, frames.map(frameItem)), stackNotes(site));
}

function holderRow(model, [process, count, bytes, oldest]) {
	const p = model.processes[process];
	return el('tr', null, el('th', { scope: 'row' }, name(p ? p.label : '?', 60)),
		el('td', null, text.bytes(bytes)), el('td', null, text.count(count)),
		el('td', null, text.duration(oldest)));
}

function holders(model, site) {
	const list = [...site.held].sort((a, b) => b[2] - a[2]);
	if (!list.length) return null;
	const rest = list.length - HOLDERS_SHOWN;
	return el('section', { 'aria-label': 'Held by' }, el('h3', null, 'Held by'),
		el('table', { class: 'small' }, el('thead', null, el('tr', null,
			['Process', 'Outstanding', 'Blocks', 'Oldest'].map((h) => el('th', { scope: 'col' }, h)))),
		el('tbody', null, list.slice(0, HOLDERS_SHOWN).map((h) => holderRow(model, h)))),
		rest > 0 && el('p', { class: 'note' }, `and ${text.count(rest)} more processes`));
}

function threads(model, site) {
	if (!site.threads) return null;
	return el('section', { 'aria-label': 'Threads' }, el('h3', null, 'Allocated by threads'),
		el('table', { class: 'small' }, el('tbody', null, site.threads.map(([process, tid, count, bytes]) =>
			el('tr', null, el('th', { scope: 'row' }, `thread ${tid} of ${model.processes[process]?.pid ?? '?'}`),
				el('td', null, text.bytes(bytes)), el('td', null, text.count(count)))))));
}

function verdicts(site) {
	if (!site.verdicts?.some((n) => n > 0)) return null;
	return el('section', { 'aria-label': 'Verdicts' }, el('h3', null, 'Verdicts on its objects'),
		el('ul', { class: 'verdicts' }, site.verdicts.map((n, i) => n > 0 &&
			el('li', null, `${text.count(n)} ${VERDICTS[i]}`))));
}

export class DetailView {
	// on: { close() }
	constructor(on) {
		this.on = on;
		this.node = el('aside', { class: 'detail', 'aria-label': 'The chosen site', id: 'detail' });
	}

	show(model, site, metric) {
		this.chart?.destroy();
		this.chart = null;
		this.node.classList.toggle('open', !!site);
		if (!site) {
			replace(this.node, el('p', { class: 'empty' }, 'Choose a site to see its stack, ages and holders.'));
			return;
		}
		this.model = model;
		this.site = site;
		this.metric = metric;
		this.ages = el('div', { class: 'chart' });
		this.times = el('div', { class: 'chart' });
		replace(this.node, this.heading(), figures(site), stackSection(model, site),
			this.ageSection(), this.timeSection(), verdicts(site), holders(model, site), threads(model, site));
		this.draw();
	}

	heading() {
		const { model, site } = this, title = model.title(site);
		return el('header', null,
			el('div', { class: 'detail-top' },
				el('span', { class: `tag ${site.kernel ? 'kernel' : 'user'}` }, site.kernel ? 'kernel' : 'user'),
				el('span', { class: 'tag' }, site.kindName),
				site.cacheName && el('span', { class: 'tag' }, name(site.cacheName, 60)),
				el('a', { href: `#site=${siteKey(model, site)}`, class: 'link', id: 'site-link',
					title: 'A link to this site in this report' }, 'Link'),
				el('button', { type: 'button', class: 'close', 'aria-label': 'Close the site (Escape)',
					onclick: () => this.on.close() }, '\u2715')),
			el('h2', { tabindex: -1 }, name(title.name, 300)));
	}

	ageSection() {
		return el('section', { 'aria-label': 'Ages' }, el('h3', null, 'Age of blocks, against freed lifetimes'),
			el('p', null, histogram.verdict(histogram.collect([this.site]))), this.ages);
	}

	timeSection() {
		if (!this.site.points) return null;
		return el('section', { 'aria-label': 'Over time' }, el('h3', null, 'Outstanding over time'), this.times);
	}

	draw() {
		if (!this.site || !this.ages?.isConnected) return;
		histogram.draw(this.ages, histogram.collect([this.site]));
		this.chart?.destroy();
		this.chart = this.times.isConnected ? timeline.draw(this.times, this.model,
			timeline.siteSeries(this.model, this.site, this.metric), this.metric, 150) : null;
	}

	focus() {
		this.node.querySelector('h2')?.focus({ preventScroll: true });
	}
}
