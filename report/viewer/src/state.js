// SPDX-License-Identifier: MIT
// state.js - what is shown, kept in the address behind "#", so that a link leads
// to the same site and filters.

export const VIEWS = ['sites', 'flame', 'ages', 'time', 'processes', 'recording'];
export const SORTS = ['bytes', 'count', 'growth', 'oldest', 'suspicion', 'kind', 'name'];

const DEFAULTS = {
	view: 'sites', query: '', domain: '', process: -1, cache: '', age: 0, frame: -1,
	sort: 'bytes', descending: true, metric: 'bytes', site: '', all: false,
};

function number(text, fallback) {
	const n = Number(text);
	return text !== null && Number.isFinite(n) ? n : fallback;
}

function oneOf(text, list, fallback) {
	return list.includes(text) ? text : fallback;
}

export function readState() {
	const p = new URLSearchParams(location.hash.slice(1));
	return {
		view: oneOf(p.get('view'), VIEWS, DEFAULTS.view),
		query: (p.get('q') ?? '').slice(0, 500),
		domain: oneOf(p.get('domain'), ['user', 'kernel'], ''),
		process: number(p.get('process'), -1),
		cache: p.get('cache') ?? '',
		age: number(p.get('age'), 0),
		frame: number(p.get('frame'), -1),
		sort: oneOf(p.get('sort'), SORTS, DEFAULTS.sort),
		descending: p.get('order') !== 'up',
		metric: oneOf(p.get('metric'), ['bytes', 'count'], DEFAULTS.metric),
		site: /^[0-9a-f]{16}(\.\d+)?$/.test(p.get('site') ?? '') ? p.get('site') : '',
		all: p.get('all') === '1',
	};
}

export function writeState(s) {
	const p = new URLSearchParams();
	const put = (key, value, isDefault) => { if (!isDefault) p.set(key, value); };
	put('view', s.view, s.view === DEFAULTS.view);
	put('site', s.site, !s.site);
	put('q', s.query, !s.query);
	put('domain', s.domain, !s.domain);
	put('process', s.process, s.process < 0);
	put('cache', s.cache, !s.cache);
	put('age', s.age, !s.age);
	put('frame', s.frame, s.frame < 0);
	put('sort', s.sort, s.sort === DEFAULTS.sort);
	put('order', 'up', s.descending);
	put('metric', s.metric, s.metric === DEFAULTS.metric);
	put('all', '1', !s.all);
	const text = p.toString();
	if (text !== location.hash.slice(1))
		history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
}

// Sites of one fingerprint (same functions, other lines) are told apart by a number.
export function siteKey(model, site) {
	model.keys ??= keysOf(model.sites);
	return model.keys.get(site);
}

export function findSite(model, key) {
	model.keys ??= keysOf(model.sites);
	return model.sites.find((site) => model.keys.get(site) === key);
}

function keysOf(sites) {
	const seen = new Map(), keys = new Map();
	for (const site of sites) {
		const n = seen.get(site.id) ?? 0;
		seen.set(site.id, n + 1);
		keys.set(site, n ? `${site.id}.${n}` : site.id);
	}
	return keys;
}
