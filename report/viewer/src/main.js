// SPDX-License-Identifier: MIT
// main.js - puts the views together and keeps them in step with the state.
import { DetailView } from './detail.js';
import { about, readDocument } from './document.js';
import { el, replace } from './dom.js';
import { FlameView } from './flame.js';
import { header, pageTitle } from './header.js';
import * as histogram from './histogram.js';
import { processes, recording } from './lists.js';
import { Live } from './live.js';
import { select, sortRows, totals } from './select.js';
import { findSite, readState, siteKey, VIEWS, writeState } from './state.js';
import { SiteTable } from './table.js';
import * as timeline from './timeline.js';
import { nextTheme, startTheme, themeName } from './theme.js';
import { Toolbar } from './toolbar.js';
import * as text from './text.js';

const TITLES = { sites: 'Sites', flame: 'Flame graph', ages: 'Ages', time: 'Timeline',
	processes: 'Processes', recording: 'Recording' };

const HELP = [['/', 'search'], ['\u2191 \u2193 j k', 'move through the sites (PgUp, PgDn, Home, End)'], ['Enter', 'open the site, zoom the frame'],
	['Esc', 'close the site, zoom out, clear the search'], ['1 \u2026 6', 'change the view'],
	['t', 'light, dark, or as the system'], ['?', 'this list']];

class App {
	constructor(model) {
		this.model = model;
		this.state = readState();
		this.toolbar = new Toolbar((changes) => this.change(changes));
		this.table = new SiteTable({ sort: (key) => this.sort(key),
			choose: (row) => this.open(row.site, true), move: (row) => this.follow(row.site) });
		this.detail = new DetailView({ close: () => this.close() });
		this.flame = new FlameView({ frame: (frame) => this.change({ frame, view: 'sites' }) });
		this.head = el('div');
		this.tabs = el('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views', onkeydown: (e) => this.tabKey(e) });
		this.panel = el('main', { class: 'panel', role: 'tabpanel', id: 'panel', tabindex: -1 });
		this.help = this.makeHelp();
	}

	start(node) {
		replace(node, this.head, this.toolbar.node, this.tabs, this.panel, this.help);
		startTheme(() => this.redraw());
		document.addEventListener('keydown', (event) => this.key(event));
		addEventListener('hashchange', () => this.adopt());
		let timer;
		addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(() => this.redraw(), 150); });
		this.showHead();
		this.render();
		if (this.model.refresh > 0) this.startLive();
	}

	// ---- what is around the views ----

	showHead() {
		document.title = pageTitle(this.model);
		this.themeButton = el('button', { type: 'button', id: 'theme', onclick: () => this.theme() });
		this.nameTheme();
		this.liveButton ??= this.model.refresh > 0 && el('button', { type: 'button', id: 'live',
			title: 'Pause or go on', onclick: () => this.live.toggle() }, 'live');
		replace(this.head, header(this.model, [this.liveButton, this.themeButton,
			el('button', { type: 'button', id: 'help-button', 'aria-label': 'Keyboard help', onclick: () => this.help.showModal() }, '?')]));
	}

	nameTheme() {
		replace(this.themeButton, { auto: '\u25d0 Auto', light: '\u2600 Light', dark: '\u263e Dark' }[themeName()]);
		this.themeButton.setAttribute('aria-label', `Colours: ${themeName()}`);
	}

	theme() {
		nextTheme();
		this.nameTheme();
		this.redraw();
	}

	makeHelp() {
		const dialog = el('dialog', { class: 'help', 'aria-label': 'Keyboard' }, el('h2', null, 'Keyboard'),
			el('dl', null, HELP.map(([key, what]) => el('div', null, el('dt', null, el('kbd', null, key)), el('dd', null, what)))),
			el('form', { method: 'dialog' }, el('button', null, 'Close')));
		return dialog;
	}

	startLive() {
		this.live = new Live(this.model.refresh, {
			data: async (packed) => { this.model = await readDocument(packed); this.showHead(); this.render(); },
			status: (status, good) => {
				replace(this.liveButton, status);
				this.liveButton.classList.toggle('bad-text', !good);
			},
		});
	}

	showTabs() {
		const views = VIEWS.filter((view) => view !== 'time' || timeline.hasTimeline(this.model));
		replace(this.tabs, views.map((view) => el('button', { type: 'button', role: 'tab', id: `tab-${view}`,
			'aria-selected': view === this.state.view ? 'true' : 'false', 'aria-controls': 'panel',
			tabindex: view === this.state.view ? 0 : -1, onclick: () => this.change({ view }) }, TITLES[view])));
		const selected = this.tabs.querySelector('[aria-selected=true]');
		this.tabs.scrollLeft = Math.max(0, selected.offsetLeft + selected.offsetWidth - this.tabs.clientWidth);
		this.panel.setAttribute('aria-labelledby', `tab-${this.state.view}`);
	}

	// ---- state ----

	change(changes) {
		Object.assign(this.state, changes);
		this.render();
	}

	adopt() {
		const state = readState();
		if (JSON.stringify(state) === JSON.stringify(this.state)) return;
		this.state = state;
		this.render();
	}

	sort(key) {
		const same = this.state.sort === key;
		this.change({ sort: key, descending: same ? !this.state.descending : key !== 'name' && key !== 'kind' });
	}

	open(site, focus) {
		this.change({ site: siteKey(this.model, site) });
		if (focus && getComputedStyle(this.detail.node).position === 'fixed') this.detail.focus();
	}

	// Moving with the keyboard shows the next site beside the table, but doesn't cover the table.
	follow(site) {
		if (this.state.site && getComputedStyle(this.detail.node).position !== 'fixed') this.open(site, false);
	}

	close() {
		this.change({ site: '' });
		this.table.node.focus({ preventScroll: true });
	}

	// ---- drawing ----

	render() {
		const { model, state } = this;
		if (state.view === 'time' && !timeline.hasTimeline(model)) state.view = 'sites';
		if (state.process >= model.processes.length) state.process = -1;
		writeState(state);
		this.rows = select(model, state);
		this.toolbar.show(model, state);
		this.toolbar.showTotals(this.rows, totals(this.rows), about(this.rows.map((row) => row.site.live)));
		this.showTabs();
		document.body.dataset.view = state.view;
		this.draw();
	}

	redraw() {
		if (['flame', 'ages', 'time'].includes(this.state.view)) this.draw();
		else if (this.state.view === 'sites') { this.table.draw(); this.detail.draw(); }
	}

	draw() {
		this.chart?.destroy();
		this.chart = null;
		({ sites: () => this.drawSites(), flame: () => this.drawFlame(), ages: () => this.drawAges(),
			time: () => this.drawTime(), processes: () => this.drawLists(processes(this.model, {
				process: (process) => this.change({ process, view: 'sites' }) })),
			recording: () => this.drawLists(recording(this.model)) })[this.state.view]();
	}

	drawSites() {
		const { model, state } = this, site = state.site && findSite(model, state.site);
		this.table.chosen = site || undefined;
		if (!this.table.node.isConnected) replace(this.panel, el('div', { class: 'split' }, this.table.node, this.detail.node));
		this.panel.firstChild.classList.toggle('with-detail', !!site);
		this.table.show(model, sortRows(model, this.rows, state.sort, state.descending), state, timeline.hasTimeline(model));
		if (site && this.table.current >= 0 && site !== this.detail.site) this.table.reveal(this.table.current);
		this.table.draw();
		if (site !== this.detail.site || !site || this.detail.model !== model) this.detail.show(model, site, 'bytes');
		this.detail.site = site;
	}

	metrics() {
		return el('div', { class: 'segments', role: 'group', 'aria-label': 'Measure', id: 'metric' },
			[['bytes', 'Bytes'], ['count', 'Blocks']].map(([metric, label]) => el('button', { type: 'button',
				'aria-pressed': this.state.metric === metric ? 'true' : 'false', 'data-value': metric,
				onclick: () => this.change({ metric }) }, label)));
	}

	drawFlame() {
		const key = (domain) => el('span', { class: `key ${domain}` }, domain);
		replace(this.panel, el('div', { class: 'panel-bar' }, this.metrics(), key('user'), key('kernel')), this.flame.node);
		this.flame.show(this.model, this.rows, this.state);
	}

	drawAges() {
		const sum = histogram.collect(this.rows.map((row) => row.site));
		const chart = el('div', { class: 'chart' });
		replace(this.panel, el('p', { class: 'lead' }, histogram.verdict(sum)), chart,
			el('p', { class: 'note' }, 'Both halves are parts of their own total. Blocks that are far older than what is ' +
				'usually freed are the ones to look at.'));
		histogram.draw(chart, sum, 240);
	}

	drawTime() {
		const chart = el('div', { class: 'chart', role: 'img', 'aria-label': 'Outstanding memory over time' });
		replace(this.panel, el('div', { class: 'panel-bar' }, this.metrics()), chart,
			el('p', { class: 'note' }, 'Domain and process filters apply here; search and age do not.'));
		this.chart = timeline.draw(chart, this.model, timeline.allSeries(this.model, this.state), this.state.metric, 340);
	}

	drawLists(content) {
		replace(this.panel, content);
	}

	// ---- keyboard ----

	tabKey(event) {
		const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
		if (!step) return;
		const tabs = [...this.tabs.children], i = tabs.indexOf(document.activeElement);
		tabs[(i + step + tabs.length) % tabs.length].click();
		this.tabs.querySelector('[aria-selected=true]').focus();
		event.preventDefault();
	}

	escape(inSearch) {
		if (this.help.open) return;
		if (inSearch) {
			this.toolbar.search.value = '';
			this.toolbar.search.blur();
			this.change({ query: '' });
			this.table.node.focus({ preventScroll: true });
		} else if (this.state.view === 'sites' && this.state.site) {
			this.close();
		} else if (this.state.view === 'flame' && this.flame.reset()) {
			return;
		} else if (this.state.frame >= 0 || this.state.query) {
			this.change({ frame: -1, query: '' });
		}
	}

	key(event) {
		const inSearch = event.target === this.toolbar.search;
		if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
		if (event.key === 'Escape') this.escape(inSearch);
		else if (inSearch && (event.key === 'Enter' || event.key === 'ArrowDown')) this.intoTable(event);
		else if (inSearch || /^(SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
		else this.shortcut(event);
	}

	intoTable(event) {
		clearTimeout(this.toolbar.timer);
		this.change({ query: this.toolbar.search.value });
		if (this.state.view === 'sites') {
			this.table.node.focus();
			this.table.moveTo(0);
		}
		event.preventDefault();
	}

	shortcut(event) {
		const view = VIEWS[Number(event.key) - 1];
		if (event.key === '/') this.toolbar.search.focus();
		else if (event.key === '?') this.help.showModal();
		else if (event.key === 't') this.theme();
		else if (view) this.change({ view });
		else return;
		event.preventDefault();
	}
}

function fail(node, error) {
	replace(node, el('p', { class: 'banner bad', role: 'alert' }, `The report can't be shown: ${text.cut(String(error.message), 300)}`));
}

async function main(root) {
	try {
		new App(await readDocument(document.getElementById('report').textContent)).start(root);
	} catch (error) {
		fail(root, error);
		throw error;
	}
}

main(document.getElementById('app'));
