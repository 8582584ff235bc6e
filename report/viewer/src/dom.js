// SPDX-License-Identifier: MIT
// dom.js - elements from code. Text only ever becomes text nodes: there is no way
// from a string to markup here, and the page's policy forbids the others.
import { cut } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
	for (const [name, value] of Object.entries(props ?? {})) {
		if (value === undefined || value === null || value === false) continue;
		if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
		else node.setAttribute(name, value === true ? '' : String(value));
	}
	node.append(...children.flat(Infinity)
		.filter((child) => child !== null && child !== undefined && child !== false)
		.map((child) => child instanceof Node ? child : document.createTextNode(String(child))));
	return node;
}

// el('div', {class: 'x', onclick: f}, 'text', node, [more])
export function el(tag, props, ...children) {
	return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
	return fill(document.createElementNS(SVG, tag), props, children);
}

// A name from a session: its own direction, cut to a length, whole in the tooltip.
export function name(text, max = 160, className = 'name') {
	const title = text.length > max ? cut(text, 1000) : undefined;
	return el('bdi', { class: className, dir: 'ltr', title }, cut(text, max));
}

export function replace(node, ...children) {
	node.replaceChildren();
	return fill(node, null, children);
}

// A colour of the style sheet as it is now, for drawing on canvases.
export function colour(variable) {
	return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}
