// SPDX-License-Identifier: MIT
// browser.mjs - headless Chromium for the tests: pages that are watched for errors
// and for requests, and cases that print "ok - ..." lines.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// The packages are installed in the build directory, not beside the sources.
const require = createRequire(join(process.env.PACKAGES, 'package.json'));
const { chromium } = require('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const problems = [];	/* console errors, exceptions, requests for anything but the page */

export async function start() {
	const profile = mkdtempSync(join(tmpdir(), 'memleak-browser.'));
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
	return { browser, stop: async () => { await browser.close(); rmSync(profile, { recursive: true, force: true }); } };
}

// A page with no network, at an address of its own.
export async function open(browser, address, { width = 1280, height = 900, dark = false, offline = true } = {}) {
	const context = await browser.newContext({ viewport: { width, height }, offline, reducedMotion: 'reduce',
		colorScheme: dark ? 'dark' : 'light' });
	const page = await context.newPage();
	const wanted = address.split('#')[0];
	page.setDefaultTimeout(60000);
	page.on('console', (m) => { if (m.type() !== 'log') problems.push(`console ${m.type()}: ${m.text()}`); });
	page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
	page.on('request', (r) => {
		if (r.url().split('#')[0] !== wanted && !r.url().startsWith('data:') && !r.url().startsWith('blob:'))
			problems.push(`request: ${r.url()}`);
	});
	page.on('dialog', (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
	await page.goto(address);
	await page.waitForSelector('[role=tab]');
	return page;
}

let failed = 0;

export async function test(text, run) {
	try {
		const why = await run();
		if (why !== undefined && why !== true) throw new Error(why === false ? 'false' : String(why));
		console.log(`ok - ${text}`);
	} catch (error) {
		failed++;
		console.log(`not ok - ${text}\n#   ${String(error.message).split('\n').slice(0, 6).join('\n#   ')}`);
	}
}

export function same(got, wanted) {
	return JSON.stringify(got) === JSON.stringify(wanted) ||
		`got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`;
}

// Asks until the answer is the wanted one; the page forbids what Playwright's own waiting does.
export async function soon(ask, wanted, limit = 60000) {
	const end = Date.now() + limit;
	for (;;) {
		const why = same(await ask(), wanted);
		if (why === true || Date.now() > end) return why;
		await new Promise((done) => setTimeout(done, 30));
	}
}

export function exitCode() {
	return failed ? 1 : 0;
}
