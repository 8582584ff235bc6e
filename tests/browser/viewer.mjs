// SPDX-License-Identifier: MIT
// viewer.mjs PAGE JSON HOSTILE-PAGE PICTURES - drives the HTML report as a person
// would, and compares what it shows with the JSON of the same sessions.
import { readFileSync } from 'node:fs';
import { exitCode, open, problems, same, soon, start, test } from './browser.mjs';

const [file, jsonFile, hostileFile, pictures] = process.argv.slice(2);
const report = JSON.parse(readFileSync(jsonFile, 'utf8'));
for (const site of report.sites) site.frames = site.frames.map((i) => report.frames[i]);
const address = `file://${file}`;
const { browser, stop } = await start();

const count = (n) => n.toLocaleString('en-US');
const shown = (page) => page.textContent('#shown').then((text) => text.replace(/^.* in /, ''));
const sites = (n) => `${count(n)} site${n === 1 ? '' : 's'}`;
const live = report.sites.filter((site) => site.live.count > 0);
const names = (site) => site.frames.map((f) => f.function ?? '').join(' ');
const firstRow = (page) => page.getAttribute('.row', 'data-id');
const press = (page, ...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

async function largest(page, text, value) {
	const wanted = live.reduce((best, site) => Math.max(best, value(site)), 0);
	const id = await firstRow(page), site = live.find((s) => s.fingerprint === id);
	return (site && value(site) === wanted) || `${text}: ${site ? value(site) : 'unknown site'} is first, not ${wanted}`;
}

const page = await open(browser, address);

await test('all outstanding sites are listed, and their number is the JSON\'s', async () =>
	same(await shown(page), sites(live.length)));
await test('the header shows the losses and the host', async () => {
	const text = await page.textContent('.top');
	return report.summary.losses.every((loss) => text.includes(loss.text)) &&
		report.processes.every((p) => !p.has_session || text.includes(p.host)) || text;
});
await test('only rows in sight exist, and the last one is reached by scrolling', async () => {
	const made = await page.locator('.row').count();
	await page.focus('#sites-grid');
	await press(page, 'End');
	const last = await soon(() => page.locator(`.row[data-index="${live.length - 1}"]`).count(), 1);
	return (made < 100 && live.length >= 10000 && last) || `${made} rows of ${live.length}`;
});
await test('sites sort by bytes, blocks and age, and back', async () => {
	for (const [key, value] of [['count', (s) => s.live.count], ['oldest', (s) => s.age_max_ms], ['bytes', (s) => s.live.bytes]]) {
		await page.click(`[data-sort=${key}]`);
		if (key === 'bytes' && await page.getAttribute('.head .bytes', 'aria-sort') === 'ascending')
			await page.click('[data-sort=bytes]');
		await press(page, 'Tab');
		await page.evaluate(() => { document.querySelector('.scroller').scrollTop = 0; });
		const why = await soon(() => page.getAttribute('.row', 'data-index'), '0');
		const is = why === true ? await largest(page, key, value) : why;
		if (is !== true) return is;
	}
	await page.click('[data-sort=bytes]');
	const up = await page.getAttribute('.head .bytes', 'aria-sort');
	await page.click('[data-sort=bytes]');
	return same([up, await page.getAttribute('.head .bytes', 'aria-sort')], ['ascending', 'descending']);
});
await test('search finds the sites whose stack holds all words', async () => {
	await page.fill('#search', 'driver_77 DISPATCH');
	const wanted = live.filter((site) => /driver_77/.test(names(site) + site.frames.map((f) => f.file).join(' ')) && /dispatch/.test(names(site)));
	const why = await soon(() => shown(page), sites(wanted.length));
	await page.fill('#search', '');
	const all = await soon(() => shown(page), sites(live.length));
	return wanted.length > 1 && why === true ? all : why;
});
await test('the domain filter leaves the sites of one domain', async () => {
	const kernel = live.filter((site) => site.domain === 'kernel').length;
	await page.click('#domain [data-value=user]');
	const why = await soon(() => shown(page), sites(live.length - kernel));
	const other = await page.locator('.row.kernel').count();
	await page.click('#domain [data-value=kernel]');
	const why2 = await soon(() => shown(page), sites(kernel));
	await page.click('#domain [data-value=""]');
	return why !== true ? why : why2 !== true ? why2 : same(other, 0);
});
await test('a process shows what it holds', async () => {
	const index = report.processes.findIndex((p) => p.comm === 'worker-3');
	const mine = live.flatMap((site) => site.processes.filter((h) => h.process === index));
	await page.selectOption('#process', String(index));
	const why = await soon(() => shown(page), sites(mine.length));
	await page.selectOption('#process', '-1');
	return why;
});
await test('the filters on cache and age agree with the JSON', async () => {
	await page.selectOption('#cache', 'slab:filp');
	const why = await soon(() => shown(page), sites(live.filter((s) => s.cache === 'filp').length));
	await page.selectOption('#cache', '');
	await page.selectOption('#age', '600000');
	const why2 = await soon(() => shown(page), sites(live.filter((s) => s.age_max_ms >= 600000).length));
	await page.selectOption('#age', '0');
	return why !== true ? why : why2;
});

// The function, file and line of each frame in the opened site.
const stackShown = (p) => p.evaluate(() => [...document.querySelectorAll('.stack .frame')].map((li) =>
	[li.querySelector('.function').textContent, li.querySelector('.place')?.textContent ?? '']));
const stackWanted = (site) => site.frames.map((f) => [f.function, f.file ? `${f.file}:${f.line}` : '']);
let chosen;

await test('a click opens the whole stack with files and lines', async () => {
	await page.fill('#search', 'driver_123_alloc');
	await soon(() => shown(page), sites(1));
	await page.click('.row');
	chosen = live.find((s) => names(s).includes('driver_123_alloc'));
	return same(await stackShown(page), stackWanted(chosen));
});
await test('a site has an address of its own, which opens it', async () => {
	const link = await page.getAttribute('#site-link', 'href');
	const other = await open(browser, address + link);
	const why = same(await stackShown(other), stackWanted(chosen));
	const index = await other.locator('.row.chosen').count();
	await other.context().close();
	return why === true ? same([link, index], [`#site=${chosen.fingerprint}`, 1]) : why;
});
await test('the site shows ages against lifetimes, its timeline and its holders', async () => {
	const [bars, chart, holders] = [await page.locator('.detail .histogram rect').count(),
		await page.locator('.detail canvas').count(), await page.locator('.detail [aria-label="Held by"] tbody tr').count()];
	return (bars > 1 && holders === chosen.processes.length && chart === (chosen.timeline ? 1 : 0)) || `${bars} ${chart} ${holders}`;
});
await test('the keyboard is enough: / Esc arrows Enter', async () => {
	await press(page, 'Escape');
	const closed = await page.locator('.detail.open').count();
	await press(page, '/', 'Escape');
	await soon(() => shown(page), sites(live.length));
	await press(page, 'Home', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Enter');
	const index = await page.getAttribute('.row.chosen', 'data-index');
	const before = await page.textContent('.detail h2');
	await press(page, 'ArrowDown');
	const after = await page.textContent('.detail h2');
	await press(page, 'Escape');
	return same([closed, index, before !== after, await page.locator('.detail.open').count()], [0, '1', true, 0]);
});

// ---- the flame graph ----

const frames = () => page.evaluate(() => [...document.querySelectorAll('g.frame')].map((g) => ({
	name: g.getAttribute('name'), width: Number(g.getAttribute('width')), fill: g.querySelector('rect').getAttribute('fill') })));
const hues = (list) => list.map((f) => Number(/^hsl\((\d+)/.exec(f.fill)?.[1] ?? -1));

await test('the flame graph shows user and kernel frames in different colours', async () => {
	await press(page, '2');
	await page.waitForSelector('g.frame');
	const all = hues(await frames());
	return (all.some((h) => h >= 15 && h < 60) && all.some((h) => h > 180 && h < 230)) || all.slice(0, 20).join(' ');
});
await test('a click zooms, Escape shows all again', async () => {
	const width = async () => (await frames()).find((f) => f.name === 'sample+0x901')?.width ?? 0;
	const before = await width();
	await page.click('g.frame[name="sample+0x901"]');
	const zoomed = await width();
	await press(page, 'Escape');
	return (before > 0 && zoomed > 1000 && Math.abs(await width() - before) < 0.01) || `${before} ${zoomed} ${await width()}`;
});
await test('by blocks the widths are others', async () => {
	const before = (await frames()).find((f) => f.name === 'slab').width;
	await page.click('#metric [data-value=count]');
	const after = (await frames()).find((f) => f.name === 'slab').width;
	await page.click('#metric [data-value=bytes]');
	return before !== after || `${before} both times`;
});
await test('the flame graph is driven by the keyboard', async () => {
	await page.focus('#flame');
	await press(page, 'ArrowDown', 'ArrowDown', 'Enter');
	const focused = await page.getAttribute('g.frame.focus', 'name');
	const zoomed = (await frames()).find((f) => f.name === focused).width;
	await press(page, 'Escape');
	return zoomed > 1000 || `${focused}: ${zoomed}`;
});
await test('from a frame to the sites through it', async () => {
	await page.click('g.frame[name="sample+0x901"]');
	await page.click('#through-frame');
	const wanted = live.filter((s) => s.domain === 'user').length;
	const why = await soon(() => shown(page), sites(wanted));
	await page.click('#frame-chip');
	return why;
});

// ---- the other views ----

await test('ages, timeline, processes and recording are shown', async () => {
	const seen = [];
	for (const [key, selector] of [['3', '.histogram rect'], ['4', 'canvas'], ['5', '[data-process]'], ['6', 'table']]) {
		await press(page, key);
		seen.push(await page.locator(`#panel ${selector}`).count() > 0);
	}
	return same(seen, [true, true, true, true]);
});
await test('a process of the list leads to its sites', async () => {
	await press(page, '5');
	await page.click('[data-process] >> nth=0');
	return same([await page.locator('.row').count() > 0, await page.inputValue('#process') !== '-1'], [true, true]);
});
await test('every control has a name', async () => same(await page.evaluate(() =>
	[...document.querySelectorAll('button, input, select, a, [tabindex="0"]')].filter((node) =>
		!(node.textContent.trim() || node.getAttribute('aria-label') || node.closest('label'))).map((node) => node.outerHTML)), []));
await page.context().close();

// ---- sizes and colours ----

for (const [width, height] of [[1280, 900], [390, 844]])
	for (const dark of [false, true]) {
		const name = `${width}-${dark ? 'dark' : 'light'}`;
		const p = await open(browser, `${address}#site=${chosen.fingerprint}`, { width, height, dark });
		await test(`${name}: no view is wider than the window`, async () => {
			const wide = [];
			for (const key of ['', '1', '2', '3', '4', '5', '6']) {
				if (key) await press(p, 'Escape', key);
				const over = await p.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
				if (over > 0) wide.push([key, over]);
				await p.screenshot({ path: `${pictures}/html-${name}-${key || 'site'}.png` });
			}
			return same(wide, []);
		});
		await test(`${name}: the colours are those of the system, and t changes them`, async () => {
			const shade = () => p.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0] < 128);
			const before = await shade();
			await press(p, 't', ...(dark ? [] : ['t']));
			return same([before, await shade()], [dark, !dark]);
		});
		await p.context().close();
	}

// ---- names that try to be more than text ----

const hostile = await open(browser, `file://${hostileFile}`);
const visit = async (look) => {
	const seen = [];
	for (const key of ['1', '2', '3', '5', '6']) {
		await press(hostile, key);
		seen.push(await hostile.evaluate(look));
	}
	await press(hostile, '1', 'Home', 'Enter');
	seen.push(await hostile.evaluate(look));
	return seen;
};
await test('hostile names run nothing and make no elements', async () => same(await visit(() =>
	window.broken === undefined && ({}).x === undefined && !document.querySelector('#app img, #app iframe, #app object, [onerror], [onload]')),
[true, true, true, true, true, true]));
await test('hostile names are shown as text', async () => {
	await press(hostile, 'Escape', '1');
	const text = await hostile.textContent('.rows');
	return ['</script><img src=x onerror="window.broken=1">', '<!--<script>', '&lt;b&gt;', '__proto__', '\u27e8U+202E\u27e9txt.exe',
		'\u27e8U+001B\u27e9'].filter((part) => !text.includes(part)).join(' and ') || true;
});
await test('no direction mark or control character reaches the page', async () => same((await visit(() =>
	[document.title, document.body.innerText, ...[...document.querySelectorAll('[title], [aria-label], [name]')].flatMap((n) =>
		[n.getAttribute('title'), n.getAttribute('aria-label'), n.getAttribute('name')])].filter((text) =>
		text && /[\u202a-\u202e\u2066-\u2069\u2028\u2029\u001b\u007f]/.test(text)).length)), [0, 0, 0, 0, 0, 0]));
await test('a name of 1 MB is cut', async () => same((await visit(() => {
	const walker = document.createTreeWalker(document.getElementById('app'), NodeFilter.SHOW_TEXT);
	let longest = 0;
	while (walker.nextNode()) longest = Math.max(longest, walker.currentNode.data.length);
	return longest < 2000;
})), [true, true, true, true, true, true]));
await hostile.context().close();

await test('no console error, no exception, no request', async () => same(problems, []));
await stop();
process.exit(exitCode());
