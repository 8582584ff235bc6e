// SPDX-License-Identifier: MIT
// flametree.js - the stacks of the chosen sites as one tree, outermost frame first,
// without what would be too narrow to see.

// How narrow: a part of the whole. Clicking zooms to where all of it shows.
const SMALLEST = 1 / 8000;

// The sum of what the sites at and below each node hold.
function sums(model, rows, metric) {
	const sum = new Float64Array(model.nodes.length / 2);
	for (const row of rows) sum[row.site.node] += row[metric];
	for (let node = sum.length - 1; node > 0; node--) sum[model.nodes[2 * node]] += sum[node];
	return sum;
}

function makeNode(model, node, value) {
	const frame = model.frames[model.nodes[2 * node + 1]];
	return { name: frame.name, frame, frameIndex: model.nodes[2 * node + 1], node, value, children: [] };
}

// {name, value, frame, children}; parents come before children in the table of nodes.
function subtree(model, rows, metric, label, whole) {
	const sum = sums(model, rows, metric), made = new Map();
	const root = { name: label, value: rows.reduce((total, row) => total + row[metric], 0), children: [] };
	for (let node = 1; node < sum.length; node++) {
		if (sum[node] < whole * SMALLEST || sum[node] <= 0) continue;
		const parent = model.nodes[2 * node];
		const above = parent ? made.get(parent) : root;
		if (!above) continue;
		const child = makeNode(model, node, sum[node]);
		above.children.push(child);
		made.set(node, child);
	}
	return root;
}

// One branch per kind of memory, when there are several.
export function buildTree(model, rows, metric) {
	const whole = rows.reduce((total, row) => total + row[metric], 0);
	const groups = new Map();
	for (const row of rows) {
		const list = groups.get(row.site.kindName) ?? [];
		list.push(row);
		groups.set(row.site.kindName, list);
	}
	const branches = [...groups].map(([kind, list]) => {
		const branch = subtree(model, list, metric, kind, whole);
		branch.kind = true;
		branch.kernel = list[0].site.kernel;
		return branch;
	});
	if (branches.length === 1) return { ...branches[0], kind: false, name: `all (${branches[0].name})` };
	branches.sort((a, b) => b.value - a.value);
	return { name: 'all', value: whole, children: branches };
}
