// SPDX-License-Identifier: MIT
// select.js - which sites a view shows, with what they hold there, and in which order.

// Which sites match a search: each word occurs in some frame's function, module or
// file, in the cache, the kind, a holder's command or the site's id. Strings, frames
// and nodes are each looked at once, however many stacks they are in.
function searchWord(model, word) {
	const inString = model.strings.map((s) => s.toLowerCase().includes(word));
	const inFrame = model.frames.map((f) => inString[f.fn] || inString[f.module] ||
		inString[f.file] || (!f.fn && f.name.toLowerCase().includes(word)));
	const inNode = new Uint8Array(model.nodes.length / 2);
	for (let i = 1; i < inNode.length; i++)
		inNode[i] = inFrame[model.nodes[2 * i + 1]] || inNode[model.nodes[2 * i]] ? 1 : 0;
	const inProcess = model.processes.map((p) =>
		`${p.label} ${p.command}`.toLowerCase().includes(word));
	return (site) => inNode[site.node] || site.kindName.includes(word) ||
		(site.cache !== undefined && inString[site.cache]) || site.id.startsWith(word) ||
		site.held.some(([process]) => inProcess[process]);
}

function searcher(model, query) {
	const words = query.toLowerCase().split(/\s+/).filter(Boolean);
	const tests = words.map((word) => searchWord(model, word));
	return (site) => tests.every((test) => test(site));
}

// The nodes of a frame and everything called through it.
function throughFrame(model, index) {
	const inNode = new Uint8Array(model.nodes.length / 2);
	for (let i = 1; i < inNode.length; i++)
		inNode[i] = model.nodes[2 * i + 1] === index || inNode[model.nodes[2 * i]] ? 1 : 0;
	return (site) => inNode[site.node];
}

function tests(model, state) {
	const list = [];
	if (state.domain) list.push((site) => site.kernel === (state.domain === 'kernel'));
	if (state.cache) list.push((site) => `${site.kindName}:${site.cacheName}` === state.cache);
	if (state.age) list.push((site) => site.oldest >= state.age);
	if (state.frame >= 0 && state.frame < model.frames.length) list.push(throughFrame(model, state.frame));
	if (state.query) list.push(searcher(model, state.query));
	return list;
}

// What a site holds: all, or what one process does.
function amount(site, process) {
	if (process < 0)
		return { site, count: site.live.count, bytes: site.live.bytes, oldest: site.oldest };
	const held = site.held.find(([index]) => index === process);
	return held && { site, count: held[1], bytes: held[2], oldest: held[3] };
}

// Rows {site, count, bytes, oldest} that pass the filters, in no particular order.
export function select(model, state) {
	const wanted = tests(model, state);
	const rows = [];
	for (const site of model.sites) {
		if (!wanted.every((test) => test(site))) continue;
		const row = amount(site, state.process);
		if (row && (row.count > 0 || (state.all && state.process < 0))) rows.push(row);
	}
	return rows;
}

const KEYS = {
	bytes: (row) => row.bytes,
	count: (row) => row.count,
	growth: (row) => row.site.growth,
	oldest: (row) => row.oldest,
	suspicion: (row) => row.site.suspicion,
};

export function sortRows(model, rows, key, descending) {
	const sign = descending ? -1 : 1;
	const value = KEYS[key];
	if (value)
		return rows.sort((a, b) => sign * (value(a) - value(b)) || a.site.index - b.site.index);
	const text = key === 'kind' ? (row) => `${row.site.kindName} ${row.site.cacheName}` :
		(row) => model.title(row.site).name;
	const keyed = rows.map((row) => ({ row, text: text(row).toLowerCase() }));
	keyed.sort((a, b) => sign * (a.text < b.text ? -1 : a.text > b.text ? 1 : 0) ||
		a.row.site.index - b.row.site.index);
	return keyed.map(({ row }) => row);
}

export function totals(rows) {
	let count = 0, bytes = 0;
	for (const row of rows) {
		count += row.count;
		bytes += row.bytes;
	}
	return { count, bytes };
}
