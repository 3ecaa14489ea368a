// How long a page was looked at, and how far down.
//
// Only time counts in which the page is visible and has the focus.

/** Less than this is no news: a page that goes away says so twice. */
const MIN_REPORT_MS = 100;

export class Engagement {
  private engagedMs = 0;
  private since = performance.now();
  private engaged = isEngaged();
  /** Measured when asked: a new view opens while the old one is still scrolled down. */
  private scrolled = 0;
  private reported = -1;

  /** Closes the span since the last call; to be called whenever focus or visibility change. */
  readonly update = (): void => {
    const now = performance.now();
    if (this.engaged) this.engagedMs += now - this.since;
    this.since = now;
    this.engaged = isEngaged();
  };

  readonly scroll = (): void => {
    this.scrolled = Math.max(this.scrolled, scrollPercent());
  };

  /**
   * What is new since the last report: the time since then, so that a page view's pings add up,
   * and the deepest point so far. Undefined when there is nothing new.
   */
  report(): { engaged_ms: number; scroll_percent: number } | undefined {
    this.update();
    this.scroll();
    if (this.engagedMs < MIN_REPORT_MS && this.scrolled <= this.reported) return undefined;
    const engaged_ms = Math.round(this.engagedMs);
    this.engagedMs = 0;
    this.reported = this.scrolled;
    return { engaged_ms, scroll_percent: this.scrolled };
  }
}

function isEngaged(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** The lowest point of the page seen, in percent of its height. */
function scrollPercent(): number {
  const height = document.documentElement.scrollHeight;
  const seen = window.scrollY + window.innerHeight;
  return height > 0 ? Math.min(100, Math.max(0, Math.round((100 * seen) / height))) : 100;
}
