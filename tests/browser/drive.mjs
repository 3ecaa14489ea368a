// Uses the demo page as a person would, in a real browser, and prints what the collector must
// have received since: one line of JSON, the hits of each kind and the ids of all of them,
// `{"pageview":2,...,"ids":[...]}`.
//
//     node drive.mjs http://127.0.0.1:8080 TOKEN
//
// Exits with 1 when the page kept something in the browser, when the tracker sent something else
// than it should, or when it sent anything in a browser with Global Privacy Control. CHROMIUM
// names another browser than /usr/bin/chromium.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What one walk through the demo page must send. */
const EXPECTED = { pageview: 2, ping: 2, event: 1, download: 1, outlink: 1, search: 1 };

/** Opens the demo page so that it cannot reach beyond the collector; collects what it sends. */
async function openDemo(context, origin) {
  await context.route(
    (url) => url.origin !== origin && /^https?:$/.test(url.protocol),
    (route) => route.abort(),
  );
  const seen = { hits: [], requests: 0, failures: [] };
  context.on("request", (request) => {
    if (new URL(request.url()).pathname === "/hit") seen.requests += 1;
  });
  await listen(context, origin, (hits) => seen.hits.push(...hits));
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.failures.push(String(error)));
  await page.goto(`${origin}/demo`, { waitUntil: "load" });
  return { page, seen };
}

/**
 * Hears the tracker's own notices in a second tab. The driver does not see the beacon of a page
 * that goes away, nor a call out of it, but a broadcast from it arrives.
 */
async function listen(context, origin, hear) {
  await context.addInitScript(() => {
    const channel = new BroadcastChannel("drive");
    document.addEventListener("hitlake:sent", (sent) => channel.postMessage(sent.detail));
  });
  const listener = await context.newPage();
  await listener.exposeFunction("hear", hear);
  await listener.goto(`${origin}/`);
  await listener.evaluate(() => {
    window.channel = new BroadcastChannel("drive");
    window.channel.onmessage = (message) => window.hear(message.data);
  });
}

/** One SPA navigation, an event, a download, an outlink and a search. */
async function walk(page) {
  await page.click("#pricing");
  await page.waitForURL("**/demo?page=pricing");
  await page.click("#event");
  const download = page.waitForEvent("download");
  await page.click("#download");
  await (await download).cancel();
  const tab = page.waitForEvent("popup");
  await page.click("#outlink");
  await (await tab).close();
  await page.fill("#search input", "pay");
  await page.press("#search input", "Enter");
  await page.waitForFunction(() => document.querySelector("#result").textContent !== "");
}

/** Leaves the page for a blank one, so that the browser runs what a page does at its end. */
async function leave(page) {
  await page.goto("about:blank");
  await page.close();
}

/** What the page keeps in the browser; all of it should be empty. */
async function kept(context, page) {
  const inPage = await page.evaluate(async () => ({
    cookie: document.cookie,
    localStorage: localStorage.length,
    sessionStorage: sessionStorage.length,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
  }));
  return { ...inPage, cookies: (await context.cookies()).length };
}

const NOTHING_KEPT = {
  cookie: "",
  localStorage: 0,
  sessionStorage: 0,
  databases: 0,
  caches: 0,
  cookies: 0,
};

/** Waits for what is heard only after the page is gone. */
async function until(condition, timeout_ms = 5000) {
  const end = Date.now() + timeout_ms;
  while (!(await condition()) && Date.now() < end) await new Promise((done) => setTimeout(done, 20));
}

/** The hits that answers show: a browser that is closed takes beacons on their way with it. */
async function answered(origin, token) {
  const url = `${origin}/v1/sites/1/metrics?metrics=hits&bots=include&period=day&date=today`;
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  return (await answer.json()).totals.hits;
}

function countByKind(hits) {
  const counts = {};
  for (const { kind } of hits) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function driveDemo(browser, origin, token) {
  const context = await browser.newContext();
  const { page, seen } = await openDemo(context, origin);
  await walk(page);
  assert.deepEqual(await kept(context, page), NOTHING_KEPT, "the page kept something");
  await leave(page);
  const expected = Object.values(EXPECTED).reduce((sum, count) => sum + count);
  await until(() => seen.hits.length >= expected);
  await until(async () => (await answered(origin, token)) >= expected, 20_000);
  await context.close();
  assert.deepEqual(seen.failures, [], "errors in the page");
  assert.deepEqual(countByKind(seen.hits), EXPECTED, "the tracker sent something else");
  return { ...countByKind(seen.hits), ids: seen.hits.map(({ id }) => id) };
}

async function driveWithPrivacyControl(browser, origin) {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });
  });
  const { page, seen } = await openDemo(context, origin);
  await walk(page);
  await leave(page);
  await context.close();
  assert.deepEqual(seen.failures, [], "errors in the page with Global Privacy Control");
  assert.deepEqual(seen.hits, [], "the tracker sent hits in spite of Global Privacy Control");
  assert.equal(seen.requests, 0, "requests to /hit in spite of Global Privacy Control");
}

const [address, token] = process.argv.slice(2);
if (!address || !token) {
  console.error("usage: node drive.mjs http://127.0.0.1:PORT TOKEN");
  process.exit(2);
}
const { origin } = new URL(address);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
});
try {
  const sent = await driveDemo(browser, origin, token);
  await driveWithPrivacyControl(browser, origin);
  console.log(JSON.stringify(sent));
} finally {
  await browser.close();
}
