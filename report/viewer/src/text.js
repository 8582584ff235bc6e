// SPDX-License-Identifier: MIT
// text.js - names and figures as people read them. Names come from sessions and
// are hostile: what could reorder or hide text is made visible.

// Controls, direction marks, zero-width characters, line separators, tags.
const HOSTILE = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f' +
	'\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]|[\\u{e0000}-\\u{e007f}]', 'gu');

export function harmless(text) {
	return text.replace(HOSTILE, (c) =>
		`\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9`);
}

export function cut(text, max) {
	return text.length <= max ? text : `${text.slice(0, max)}\u2026 (+${text.length - max})`;
}

export function baseName(path) {
	return path.slice(path.lastIndexOf('/') + 1) || path;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

export function bytes(n) {
	const sign = n < 0 ? '\u2212' : '';
	let value = Math.abs(n), unit = 0;
	while (value >= 1023.95 && unit < UNITS.length - 1) {
		value /= 1024;
		unit++;
	}
	const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	return `${sign}${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function count(n) {
	return Math.round(n).toLocaleString('en-US');
}

export function percent(part, whole) {
	const share = whole > 0 ? 100 * part / whole : 0;
	return `${share >= 9.95 || share === 0 ? share.toFixed(0) : share.toFixed(1)} %`;
}

const SPANS = [['d', 86400e3], ['h', 3600e3], ['min', 60e3], ['s', 1e3]];

// Milliseconds: "0.5 ms", "20 ms", "3.2 s", "2 min 5 s", "3 h 2 min", "5 d 3 h".
export function duration(ms) {
	if (ms < 1) return ms > 0 ? `${Number((ms * 1000).toPrecision(2))} \u00b5s` : '0 ms';
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60e3) return `${Number((ms / 1000).toPrecision(ms < 10e3 ? 2 : 3))} s`;
	const i = SPANS.findIndex(([, span]) => ms >= span);
	const [unit, span] = SPANS[i], [next, part] = SPANS[i + 1];
	const rest = Math.floor((ms % span) / part);
	return `${Math.floor(ms / span)} ${unit}${rest ? ` ${rest} ${next}` : ''}`;
}

export function clock(ms) {
	const two = (n) => String(n).padStart(2, '0');
	const d = new Date(ms);
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
		`${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function growth(perMinute, unit = '/min') {
	if (Math.abs(perMinute) < 0.5) return `0 B${unit}`;
	return `${perMinute > 0 ? '+' : ''}${bytes(perMinute)}${unit}`;
}
