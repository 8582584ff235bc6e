// SPDX-License-Identifier: MIT
// header.js - what was recorded, how much is outstanding, and how far to trust it.
import { about } from './document.js';
import { el, name } from './dom.js';
import * as text from './text.js';

const SAMPLING = ['', 'by bytes, mean', 'one in', 'objects whose hash falls in 1 of'];

function distinct(list) {
	return [...new Set(list.filter(Boolean))];
}

function recorded(model) {
	return model.sessions.map((s) => ({ ...s, who: model.processes[s.process] }));
}

function title(model) {
	const own = recorded(model).filter((s) => !s.kernel);
	const commands = distinct(own.map((s) => s.who?.command || s.who?.exe || s.who?.comm));
	if (commands.length === 1) return commands[0];
	if (!own.length) return 'Kernel memory';
	return `${own.length} processes` + (own.length < model.sessions.length ? ' and the kernel' : '');
}

export function samplingText(session) {
	if (!session.sampling || !(session.mean > 1)) return 'every allocation';
	const mean = session.sampling === 1 ? text.bytes(session.mean) : text.count(session.mean);
	return `${SAMPLING[session.sampling] ?? 'sampled,'} ${mean}`;
}

function facts(model) {
	const sessions = recorded(model);
	const hosts = distinct(sessions.map((s) => s.who?.host));
	const starts = sessions.map((s) => s.start).filter(Boolean);
	const longest = Math.max(0, ...sessions.map((s) => s.duration ?? 0));
	const sampling = distinct(sessions.map(samplingText));
	const pids = distinct(sessions.filter((s) => !s.kernel).map((s) => s.who?.pid));
	return [
		hosts.length > 0 && ['Host', hosts.length > 3 ? `${hosts.length} hosts` : name(hosts.join(', '), 80)],
		pids.length === 1 && ['Process', pids[0]],
		starts.length > 0 && ['Started', text.clock(Math.min(...starts))],
		['Recorded', text.duration(longest)],
		['Sampling', sampling.join('; ') || 'every allocation'],
		['Report made', text.clock(model.made)],
	].filter(Boolean).map(([label, value]) =>
		el('div', { class: 'fact' }, el('dt', null, label), el('dd', null, value)));
}

function card(label, figure, note, className = '') {
	const approx = about([figure]);
	return el('div', { class: `card ${className}` },
		el('div', { class: 'card-label' }, label),
		el('div', { class: 'card-value' }, approx + text.bytes(figure.bytes)),
		el('div', { class: 'card-note' }, `${approx}${text.count(figure.count)} block${figure.count === 1 ? '' : 's'}`, note && ` ${note}`,
			approx && el('div', null, `\u00b1 ${text.bytes(figure.bytesBound)} (95 %)`)));
}

function sumGrowth(model) {
	return model.sites.reduce((sum, site) => sum + site.growth, 0);
}

function cards(model) {
	const { summary, kinds } = model;
	const list = [card('Outstanding', summary.all, `in ${text.count(summary.sitesLive)} site${summary.sitesLive === 1 ? '' : 's'}`, 'all')];
	kinds.forEach((kind, i) => {
		if (summary.live[i].count > 0)
			list.push(card(`${kind.kernel ? 'Kernel' : 'User'} ${kind.name}`, summary.live[i], '',
				kind.kernel ? 'kernel' : 'user'));
	});
	if (model.timeline.times.length > 1)
		list.push(el('div', { class: 'card growth' }, el('div', { class: 'card-label' }, 'Growth'),
			el('div', { class: 'card-value' }, text.growth(sumGrowth(model))),
			el('div', { class: 'card-note' }, 'over the recording')));
	return list;
}

function notes(model) {
	const { summary } = model, list = [];
	if (summary.hidden.count > 0)
		list.push(`${text.bytes(summary.hidden.bytes)} in further sites were left out by --top.`);
	if (summary.known.count > 0)
		list.push(`${text.bytes(summary.known.bytes)} in sites of the baseline were left out.`);
	if (summary.suppressed.count > 0)
		list.push(`${text.bytes(summary.suppressed.bytes)} were suppressed.`);
	if (summary.freedUnseen.count > 0) {
		const floor = summary.losses.some((loss) => loss.name === 'phantoms') ? 'At least ' : '';
		list.push(`${floor}${text.count(summary.freedUnseen.count)} kernel objects (${text.bytes(summary.freedUnseen.bytes)}) ` +
			'had been freed where no event tells of it; they are not counted.');
	}
	if (summary.inherited.count > 0)
		list.push(`${text.bytes(summary.inherited.bytes)} were inherited by forked children.`);
	return list;
}

function lossList(losses) {
	const order = [...losses].sort((a, b) => b.understates - a.understates);
	return el('ul', null, order.map((loss) => el('li', { class: loss.understates ? 'understates' : '' },
		`${text.count(loss.count)} ${loss.text}`)));
}

// Losses are never silent: a figure that may be short says so on the first screen.
function trust(model) {
	const { summary } = model;
	const parts = [];
	if (summary.damaged)
		parts.push(el('div', { class: 'banner bad', role: 'alert' }, el('strong', null,
			'Some session was damaged: '), 'only its intact part is shown.'));
	if (summary.losses.length)
		parts.push(el('div', { class: `banner ${summary.lossy ? 'bad' : 'note'}`, id: 'losses' },
			el('strong', null, summary.lossy ? 'Figures may be too small: something was lost while recording.' :
				'Something was dropped; the totals are complete.'), lossList(summary.losses)));
	else
		parts.push(el('p', { class: 'quiet', id: 'losses' }, model.sampled ?
			'Figures are estimates from a sample; nothing else was lost.' :
			'Figures are exact; nothing was lost.'));
	const extra = notes(model);
	if (extra.length) parts.push(el('p', { class: 'quiet' }, extra.join(' ')));
	return parts;
}

export { lossList };

export function header(model, buttons) {
	return el('header', { class: 'top' },
		el('div', { class: 'top-line' }, el('h1', null, name(title(model), 200)), el('div', { class: 'buttons' }, buttons)),
		el('dl', { class: 'facts' }, facts(model)),
		el('div', { class: 'cards' }, cards(model)), trust(model));
}

export function pageTitle(model) {
	return `${text.cut(title(model), 60)} \u2013 memleak`;
}
