// SPDX-License-Identifier: MIT
// live.mjs ADDRESS - the page of a running server, which must show new figures by itself.
import { exitCode, open, problems, same, soon, start, test } from './browser.mjs';

const [address] = process.argv.slice(2);
const { browser, stop } = await start();
const page = await open(browser, address, { offline: false });
const total = () => page.textContent('.card.all .card-note');
const count = async () => Number((await total()).replace(/[^\d].*$/, ''));

await test('the live page shows new figures without being loaded again', async () => {
	await page.evaluate(() => { window.same = true; });
	const before = await count();
	const grown = await soon(async () => await count() > before, true);
	return grown === true ? same(await page.evaluate(() => window.same), true) : grown;
});
await test('an opened site stays open while figures change', async () => {
	await page.click('.row');
	const name = await page.textContent('.detail h2'), before = await count();
	const grown = await soon(async () => await count() > before, true);
	return grown === true ? same([await page.textContent('.detail h2'), await page.locator('.row.chosen').count()], [name, 1]) : grown;
});
await test('paused, it shows the same figures', async () => {
	await page.click('#live');
	const paused = await soon(() => page.textContent('#live'), 'paused');
	const before = await total();
	await page.waitForTimeout(2500);
	return paused === true ? same(await total(), before) : paused;
});
await test('the live page asks for nothing but itself', async () => same(problems, []));
await stop();
process.exit(exitCode());
