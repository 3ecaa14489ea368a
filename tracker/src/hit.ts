// What a hit looks like on its way to the collector, and what every hit carries.
//
// The names are those of `POST /hit`. Texts are not cut here: the collector does that.

import type { Settings } from "./settings";

export type Kind = "pageview" | "download" | "outlink" | "event" | "search" | "goal" | "ping";

/** Whole milliseconds, never negative; a phase that is not over yet is left out. */
export interface Timings {
  network_ms?: number;
  server_ms?: number;
  transfer_ms?: number;
  dom_processing_ms?: number;
  dom_completion_ms?: number;
  on_load_ms?: number;
}

/** What only some kinds carry. */
export interface Details {
  referrer?: string;
  target?: string;
  event?: { category: string; action: string; name?: string; value?: number };
  search?: { term: string; category?: string; results?: number };
  goal?: { id: number; revenue?: number };
  timings?: Timings;
  engaged_ms?: number;
  scroll_percent?: number;
}

export interface Hit extends Details {
  v: 1;
  site: number;
  kind: Kind;
  id: string;
  ts: number;
  /** Filled when the hit is sent, so that the collector can take off a wrong clock. */
  sent?: number;
  url: string;
  page_view: string;
  title: string;
  screen: string;
  language: string;
  timezone?: string;
}

/** The page that a hit belongs to. */
export interface Page {
  url: string;
  /** Shared by the hits of one view of the page. */
  view: string;
}

/** A hit of this page, happening now. */
export function newHit(settings: Settings, page: Page, kind: Kind, details: Details = {}): Hit {
  const timezone = zone();
  return {
    v: 1,
    site: settings.site,
    kind,
    id: uuid7(),
    ts: Date.now(),
    url: page.url,
    page_view: page.view,
    title: document.title,
    screen: `${screen.width}x${screen.height}`,
    language: navigator.language,
    ...(timezone && { timezone }),
    ...details,
  };
}

/** `bytes` random bytes as hex digits. */
export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/**
 * A version 7 UUID (RFC 9562): 48 bits of time, then random ones. Not `crypto.randomUUID`, which
 * is version 4 and missing on pages without TLS.
 */
function uuid7(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  const random = randomHex(10);
  const variant = "89ab".charAt(parseInt(random.charAt(3), 16) & 3);
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${random.slice(0, 3)}`,
    variant + random.slice(4, 7),
    random.slice(7, 19),
  ].join("-");
}

function zone(): string | undefined {
  try {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
