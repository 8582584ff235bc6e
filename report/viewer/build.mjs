// SPDX-License-Identifier: MIT
// build.mjs PAGE PACKAGES - bundles the viewer into one page. PACKAGES is the
// directory with node_modules. The page keeps the marks that report/html.c fills in.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [page, packages] = process.argv.slice(2).map((path) => resolve(path));
const sources = join(dirname(fileURLToPath(import.meta.url)), 'src');
const modules = join(packages, 'node_modules');
const esbuild = createRequire(join(packages, 'package.json'))('esbuild');

const built = await esbuild.build({
	entryPoints: { viewer: join(sources, 'main.js'), style: join(sources, 'style.css') },
	outdir: packages,
	absWorkingDir: packages,
	nodePaths: [modules],
	bundle: true,
	minify: true,
	write: false,
	metafile: true,
	format: 'iife',
	target: ['chrome113', 'firefox113', 'safari16.4'],
	legalComments: 'none',
	charset: 'ascii',
});

const output = (suffix) => built.outputFiles.find((file) => file.path.endsWith(suffix)).text.trim();
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

// The packages whose code is in the page, with their licenses.
function licenses() {
	const names = new Set();
	for (const input of Object.keys(built.metafile.inputs)) {
		const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
		if (found) names.add(found[1]);
	}
	return [...names].sort().map((name) => {
		const dir = join(modules, name);
		const { version } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
		const file = readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry));
		const text = readFileSync(join(dir, file), 'utf8').trim();
		return { title: `${name} ${version}`, text };
	});
}

// Each text once, with all the packages that come under it. "--" would end the comment.
function licenseComment() {
	const groups = new Map();
	for (const { title, text } of licenses())
		groups.set(text, [...(groups.get(text) ?? []), title]);
	return [...groups].map(([text, titles]) => `${titles.join(', ')}:\n\n${text}`)
		.join('\n\n').replaceAll('--', '- -').replaceAll('@@', '@ @');
}

function fill(template, parts) {
	return template.replace(/@@([A-Z]+)@@/g, (mark, name) => parts[name] ?? mark);
}

const script = output('viewer.js');
const style = output('style.css');
if (/<\/(script|style)|<!--|@@/i.test(script + style))
	throw new Error('the bundle holds text that would end its element, or a mark');
const policy = [
	"default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`,
	'img-src data:', 'connect-src @@CONNECT@@', "base-uri 'none'", "form-action 'none'",
	"require-trusted-types-for 'script'", "trusted-types 'none'",
].join('; ');
const html = fill(readFileSync(join(sources, 'page.html'), 'utf8'), {
	POLICY: policy, STYLE: style, SCRIPT: script, LICENSES: licenseComment(),
});
for (const mark of ['@@CONNECT@@', '@@REPORT@@'])
	if (html.split(mark).length !== 2) throw new Error(`${mark} must be there once`);
writeFileSync(`${page}.new`, html);
renameSync(`${page}.new`, page);
