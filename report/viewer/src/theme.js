// SPDX-License-Identifier: MIT
// theme.js - light, dark, or as the system says. data-shade is what is shown now.

const NAMES = ['auto', 'light', 'dark'];
const system = matchMedia('(prefers-color-scheme: dark)');

// Storage may be refused to files.
function stored() {
	try {
		return localStorage.getItem('memleak-theme');
	} catch {
		return null;
	}
}

let chosen = NAMES.includes(stored()) ? stored() : 'auto';

function apply() {
	const dark = chosen === 'dark' || (chosen === 'auto' && system.matches);
	document.documentElement.dataset.shade = dark ? 'dark' : 'light';
}

export function themeName() {
	return chosen;
}

export function nextTheme() {
	chosen = NAMES[(NAMES.indexOf(chosen) + 1) % NAMES.length];
	try {
		localStorage.setItem('memleak-theme', chosen);
	} catch { /* only for this page then */ }
	apply();
}

export function startTheme(changed) {
	apply();
	system.addEventListener('change', () => { apply(); changed(); });
}
