// SPDX-License-Identifier: MIT
// live.js - a page from a running server: fetches itself again and again and takes
// the data out of the new page as text. The server's page differs only in its data.

const BEGIN = '<script type="text/plain" id="report">', END = '</script>';

export function dataOf(page) {
	const from = page.indexOf(BEGIN), to = page.indexOf(END, from);
	if (from < 0 || to < 0) throw new Error('no report in the page');
	return page.slice(from + BEGIN.length, to);
}

export class Live {
	// on: { data(packed), status(text, ok) }
	constructor(seconds, on) {
		this.seconds = seconds;
		this.on = on;
		this.paused = false;
		this.timer = setTimeout(() => this.step(), seconds * 1000);
	}

	async step() {
		if (!this.paused && !document.hidden) {
			try {
				const answer = await fetch(location.pathname + location.search, { cache: 'no-store' });
				if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
				await this.on.data(dataOf(await answer.text()));
				this.on.status('live', true);
			} catch {
				this.on.status('no answer', false);
			}
		}
		this.timer = setTimeout(() => this.step(), this.seconds * 1000);
	}

	toggle() {
		this.paused = !this.paused;
		this.on.status(this.paused ? 'paused' : 'live', true);
	}
}
