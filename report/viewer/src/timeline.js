// SPDX-License-Identifier: MIT
// timeline.js - outstanding memory over time, drawn by uPlot.
import uPlot from 'uplot';
import { colour, replace } from './dom.js';
import * as text from './text.js';

const WIDTH = 3;	/* numbers per point: time index, count, bytes */

// Adds one process's points to a sum over all times: a value holds until the next.
function addSteps(sum, points, offset) {
	for (let i = 0; i < points.length; i += WIDTH) {
		const end = i + WIDTH < points.length ? points[i + WIDTH] : points[i] + 1;
		for (let t = points[i]; t < end; t++) sum[t] = (sum[t] ?? 0) + points[i + offset];
	}
}

// Points of a site are only where it held something: in between it held nothing.
function addPoints(sum, points, offset, times) {
	for (const t of times) sum[t] ??= 0;
	for (let i = 0; i < points.length; i += WIDTH) sum[points[i]] += points[i + offset];
}

function domainSeries(model, state, kernel) {
	const sum = new Array(model.timeline.times.length).fill(null);
	const offset = state.metric === 'count' ? 1 : 2;
	let any = false;
	for (const [process, kind, points] of model.timeline.series) {
		if (model.kinds[kind].kernel !== kernel) continue;
		if (state.process >= 0 && state.process !== process) continue;
		addSteps(sum, points, offset);
		any = true;
	}
	return any ? sum : null;
}

// { label, values, colour } for each domain that the filters leave.
export function allSeries(model, state) {
	const list = [];
	for (const [label, kernel, variable] of [['user', false, '--user'], ['kernel', true, '--kernel']]) {
		if (state.domain && state.domain !== label) continue;
		const values = domainSeries(model, state, kernel);
		if (values) list.push({ label, values, variable });
	}
	return list;
}

export function siteSeries(model, site, metric) {
	if (!site.points) return [];
	const sum = new Array(model.timeline.times.length).fill(null);
	for (const [process, points] of site.points) {
		const times = model.timeline.series.filter(([p]) => p === process)
			.flatMap(([, , all]) => all.filter((_, i) => i % WIDTH === 0));
		addPoints(sum, points, metric === 'count' ? 1 : 2, times);
	}
	return [{ label: 'this site', values: sum, variable: site.kernel ? '--kernel' : '--user' }];
}

export function hasTimeline(model) {
	return model.timeline.times.length > 1;
}

function axisStyle() {
	return { stroke: colour('--muted'), font: '11px system-ui, sans-serif',
		grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
}

// Time of day, with as much of it as the distance of the ticks wants.
function timeLabels(u, ticks, axis, space, step) {
	return ticks.map((t) => {
		const [date, time] = text.clock(t * 1000).split(' ');
		return step >= 86400 ? date : step >= 60 ? time.slice(0, 5) : time;
	});
}

// Round steps: of 1024 for bytes.
function byteSteps(u, axis, min, max) {
	const rough = (max - min) / 5 || 1;
	let step = 2 ** Math.ceil(Math.log2(rough));
	if (step < 1) step = 1;
	const list = [];
	for (let v = Math.ceil(min / step) * step; v <= max; v += step) list.push(v);
	return list;
}

function options(series, metric, width, height) {
	const show = metric === 'count' ? text.count : text.bytes;
	const line = (s) => ({ label: s.label, stroke: colour(s.variable), width: 2, spanGaps: false,
		fill: `color-mix(in srgb, ${colour(s.variable)} 15%, transparent)`,
		paths: uPlot.paths.stepped({ align: 1 }), points: { show: s.values.length < 40, size: 5 },
		value: (u, v) => v === null || v === undefined ? '\u2013' : show(v) });
	return {
		width, height, padding: [10, 8, 0, 0],
		series: [{ label: 'time', value: (u, v) => v ? text.clock(v * 1000) : '\u2013' }, ...series.map(line)],
		axes: [{ ...axisStyle(), space: 80, values: timeLabels },
			{ ...axisStyle(), size: 68, values: (u, list) => list.map(show),
				...(metric === 'count' ? {} : { splits: byteSteps }) }],
		scales: { y: { range: (u, min, max) => [0, Math.max(max * 1.08, 1)] } },
		legend: { live: true },
	};
}

// Draws into node; returns the chart, which the caller destroys before drawing anew.
export function draw(node, model, series, metric, height) {
	replace(node);
	if (!series.length || !hasTimeline(model)) return null;
	const width = Math.max(240, node.clientWidth);
	const times = model.timeline.times.map((t) => t / 1000);
	return new uPlot(options(series, metric, width, height), [times, ...series.map((s) => s.values)], node);
}
