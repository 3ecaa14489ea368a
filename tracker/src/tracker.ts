// One page after the other: opens a page view, sends its hits, and closes it with a ping.

import { readClick } from "./clicks";
import { Engagement } from "./engagement";
import { type Details, type Hit, type Kind, newHit, type Page, randomHex, type Timings } from "./hit";
import { send } from "./send";
import type { Settings } from "./settings";
import { newTimings, readTimings } from "./timings";

/** Frameworks set the title after they have changed the URL: the page view waits this long. */
const TITLE_WAIT_MS = 50;

export class Tracker {
  private page: Page = openPage();
  private engagement = new Engagement();
  /** Timings sent so far; undefined where the page was not loaded but changed by script. */
  private timings: Timings | undefined = readTimings();
  /** A page view that waits for its title, and the ping of the page before. */
  private waiting: Hit[] = [];

  constructor(private readonly settings: Settings) {
    this.track("pageview", {
      ...(document.referrer && { referrer: document.referrer }),
      ...(this.timings && { timings: this.timings }),
    });
  }

  /** Sends a hit of the page as it is now. */
  track(kind: Kind, details: Details, leaving = false): void {
    this.flush();
    send(this.settings.endpoint, [newHit(this.settings, this.page, kind, details)], leaving);
  }

  /** A new view of whatever the address bar shows; `referrer` where one is known. */
  view(referrer: string | undefined): void {
    this.flush();
    const ping = this.ping();
    this.page = openPage();
    this.engagement = new Engagement();
    this.timings = undefined;
    const view = newHit(this.settings, this.page, "pageview", referrer ? { referrer } : {});
    this.waiting = ping ? [ping, view] : [view];
    setTimeout(() => this.flush(), TITLE_WAIT_MS);
  }

  /** A new view in the same document; it refers to the one before, as browsers do it. */
  viewNext(): void {
    this.view(withoutFragment(this.page.url));
  }

  /** The URL may have changed; a fragment does not make another page. */
  readonly urlChanged = (): void => {
    if (withoutFragment(location.href) !== withoutFragment(this.page.url)) this.viewNext();
  };

  /** The page may never be seen again. */
  readonly leave = (): void => {
    this.flush(true);
    const ping = this.ping();
    if (ping) send(this.settings.endpoint, [ping], true);
  };

  readonly clicked = (click: Event): void => {
    // The middle button opens links too; the right one only a menu.
    if ((click as MouseEvent).button > 1) return;
    for (const { kind, details } of readClick(click)) {
      // A browser without keepalive drops the request when the link replaces the page.
      this.track(kind, details, !("keepalive" in Request.prototype));
    }
  };

  readonly attentionChanged = (): void => this.engagement.update();
  readonly scrolled = (): void => this.engagement.scroll();

  private ping(): Hit | undefined {
    const engagement = this.engagement.report();
    if (!engagement) return undefined;
    const timings = this.timings && newTimings(this.timings);
    Object.assign(this.timings || {}, timings);
    return newHit(this.settings, this.page, "ping", { ...engagement, ...(timings && { timings }) });
  }

  private flush(leaving = false): void {
    const hits = this.waiting;
    if (!hits.length) return;
    this.waiting = [];
    for (const hit of hits) if (hit.kind === "pageview") hit.title = document.title;
    send(this.settings.endpoint, hits, leaving);
  }
}

function openPage(): Page {
  return { url: location.href, view: randomHex(8) };
}

function withoutFragment(url: string): string {
  return url.split("#")[0] || "";
}
