// Puts hits on the wire. Nothing is kept: what the browser cannot send now is lost.

import type { Hit } from "./hit";

/** A page may listen to this on `document`; its `detail` is the list of hits. */
const SENT = "hitlake:sent";

/** Sends the hits in one request; `leaving` when the page may be gone before an answer comes. */
export function send(endpoint: string, hits: Hit[], leaving = false): void {
  const sent = Date.now();
  for (const hit of hits) hit.sent = sent;
  const body = JSON.stringify(hits.length > 1 ? hits : hits[0]);
  if (!leaving || !beacon(endpoint, body)) request(endpoint, body);
  document.dispatchEvent(new CustomEvent(SENT, { detail: hits }));
}

function request(endpoint: string, body: string): void {
  if (!window.fetch) {
    beacon(endpoint, body);
    return;
  }
  // A text body goes as text/plain, which needs no preflight; the answer is not read, so the
  // collector need not allow that either. The collector checks Origin, which a page with
  // `no-referrer` would turn into "null": hence a policy of our own, which sends no path.
  fetch(endpoint, {
    method: "POST",
    body,
    mode: "no-cors",
    credentials: "omit",
    keepalive: true,
    referrerPolicy: "strict-origin",
  }).catch(() => beacon(endpoint, body));
}

/** Hands the body to the browser, which sends it even after the page is gone. */
function beacon(endpoint: string, body: string): boolean {
  try {
    return navigator.sendBeacon(endpoint, body);
  } catch {
    return false;
  }
}
