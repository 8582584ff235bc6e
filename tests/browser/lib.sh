# SPDX-License-Identifier: MIT
# Sourced by the tests that need a browser, after e2e/lib.sh.
# shellcheck shell=bash

browser_packages=$O/browser

# needs_browser: node, Chromium and the driver, or the test is skipped.
needs_browser() {
	local chromium
	chromium=$(command -v chromium) || skip_all "chromium is not installed"
	command -v node >/dev/null || skip_all "node is not installed"
	command -v npm >/dev/null || skip_all "npm is not installed"
	export PACKAGES=$browser_packages CHROMIUM=$chromium
	cmp -s "$root/tests/browser/package-lock.json" "$PACKAGES/installed" && return
	mkdir -p "$PACKAGES"
	cp "$root"/tests/browser/package*.json "$PACKAGES/"
	(cd "$PACKAGES" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
		skip_all "the packages of tests/browser can't be installed"
	cp "$root/tests/browser/package-lock.json" "$PACKAGES/installed"
}

# has_viewer: is this a build with the HTML report? A release archive brings the page.
has_viewer() {
	[ -s "$O/gen/viewer.html" ] || [ -s "$root/report/viewer/dist/viewer.html" ]
}

needs_viewer() {
	has_viewer || skip_all "the viewer has not been built (no node or npm)"
}
