// SPDX-License-Identifier: MIT
// histogram.js - how old the outstanding blocks are (upwards), against how long
// freed blocks had lived (downwards), on one logarithmic scale of time.
import { svg, el, replace } from './dom.js';
import * as text from './text.js';

const AGES = 32, LIVES = 48;

// The bounds of bucket b in milliseconds, as in report/report.h.
function bounds(b, unit) {
	return b === 0 ? [unit / 4, unit] : [unit * 2 ** (b - 1), unit * 2 ** b];
}

function unpack(list, size, into) {
	for (let i = 1; list && i < list.length; i++)
		if (list[0] + i - 1 < size) into[list[0] + i - 1] += list[i];
}

// Sums over sites: { ages: [32], lives: [48] }.
export function collect(sites) {
	const sum = { ages: new Float64Array(AGES), lives: new Float64Array(LIVES) };
	for (const site of sites) {
		unpack(site.ages, AGES, sum.ages);
		unpack(site.lives, LIVES, sum.lives);
	}
	return sum;
}

function bars(buckets, unit) {
	const total = buckets.reduce((a, b) => a + b, 0);
	const list = [];
	buckets.forEach((n, b) => {
		if (n > 0) list.push({ n, share: n / total, bounds: bounds(b, unit) });
	});
	return { list, total };
}

// The time that `part` of the blocks stay under: a bucket's upper end.
function quantile(buckets, unit, part) {
	const total = buckets.reduce((a, b) => a + b, 0);
	let seen = 0;
	for (let b = 0; b < buckets.length; b++) {
		seen += buckets[b];
		if (total && seen >= part * total) return bounds(b, unit)[1];
	}
	return 0;
}

// What the two distributions say, in one sentence.
export function verdict(sum) {
	const live = sum.ages.reduce((a, b) => a + b, 0), freed = sum.lives.reduce((a, b) => a + b, 0);
	if (!live) return 'Nothing is outstanding.';
	if (!freed) return 'Nothing that was allocated here has been freed.';
	const usual = quantile(sum.lives, 1e-3, 0.99);
	let older = 0;
	sum.ages.forEach((n, b) => { if (bounds(b, 1)[0] >= usual && b > 0) older += n; });
	return `99 % of ${text.count(freed)} freed blocks lived less than ${text.duration(usual)}; ` +
		`${older === live ? 'all' : text.count(older)} of the ${text.count(live)} outstanding ` +
		`${older === 1 ? 'is' : 'are'} older than that.`;
}

const TICKS = [1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, 10e3, 60e3, 600e3, 3600e3, 86400e3, 30 * 86400e3];

function scale(up, down, width) {
	const all = [...up.list, ...down.list].flatMap((bar) => bar.bounds);
	const lo = Math.log(Math.min(...all)), hi = Math.log(Math.max(...all));
	return { x: (ms) => 4 + (Math.log(ms) - lo) / (hi - lo) * (width - 8), lo: Math.exp(lo), hi: Math.exp(hi) };
}

function drawBars({ list, total }, x, middle, height, direction, className, what) {
	const largest = Math.max(...list.map((bar) => bar.share));
	return list.map((bar) => {
		const left = x(bar.bounds[0]), size = Math.max(2, bar.share / largest * height);
		return svg('rect', { class: className, x: left + 0.5, width: Math.max(1, x(bar.bounds[1]) - left - 1),
			y: direction < 0 ? middle - size : middle, height: size },
		svg('title', null, `${text.count(bar.n)} of ${text.count(total)} ${what} ` +
			`${text.duration(bar.bounds[0])} to ${text.duration(bar.bounds[1])}`));
	});
}

function axis(s, middle, room) {
	const ticks = TICKS.filter((t) => t >= s.lo && t <= s.hi);
	let last = -Infinity;
	return ticks.map((t) => {
		const at = s.x(t), label = text.duration(t);
		if (at - last < 54) return [];
		last = at;
		const anchor = at < 20 ? 'start' : at > room - 20 ? 'end' : 'middle';
		return [svg('line', { class: 'tick', x1: at, x2: at, y1: middle - 9, y2: middle + 9 }),
			svg('text', { class: 'label', x: at, y: middle + 4, 'text-anchor': anchor }, label)];
	});
}

// Fills node with the chart; false when there is nothing to draw.
export function draw(node, sum, height = 96) {
	const up = bars(sum.ages, 1), down = bars(sum.lives, 1e-3);
	if (!up.list.length && !down.list.length) {
		replace(node);
		return false;
	}
	const width = Math.max(240, node.clientWidth || 480), middle = height / 2 + 10, half = height / 2 - 4;
	const s = scale(up, down, width);
	replace(node,
		el('div', { class: 'legend' },
			el('span', { class: 'key live' }, `outstanding, by age (${text.count(up.total)})`),
			el('span', { class: 'key freed' }, `freed, by lifetime (${text.count(down.total)})`)),
		svg('svg', { class: 'histogram', role: 'img', 'aria-label': verdict(sum), width,
			height: height + 20, viewBox: `0 0 ${width} ${height + 20}` },
		drawBars(up, s.x, middle - 10, half, -1, 'live', 'outstanding blocks are'),
		drawBars(down, s.x, middle + 10, half, 1, 'freed', 'freed blocks lived'),
		axis(s, middle, width)));
	return true;
}
