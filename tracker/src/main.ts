// Starts the tracker where it may run, and ties it to the browser's events.
//
// Knows no hit and no protocol. Nothing in here, or called from here, throws into the page.

import { type Api, createApi } from "./api";
import { readSettings } from "./settings";
import { Tracker } from "./tracker";

declare global {
  interface Window {
    hitlake?: Api;
  }
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
  interface Document {
    readonly prerendering?: boolean;
  }
}

let tracker: Tracker | undefined;

/** The function, with its errors kept away from the page. */
function safely<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      run(...args);
    } catch (error) {
      console.warn("hitlake:", error);
    }
  };
}

function install(): void {
  // A tag that stands twice on a page counts once.
  if (window.hitlake) return;
  const api = createApi(() => tracker);
  window.hitlake = {
    event: safely(api.event),
    pageview: safely(api.pageview),
    search: safely(api.search),
    goal: safely(api.goal),
  };
  if (navigator.globalPrivacyControl) return;
  const settings = readSettings();
  if (!settings) return;
  const start = safely(() => listen((tracker = new Tracker(settings))));
  // A prerendered page has not been seen by anyone yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
}

function listen(tracker: Tracker): void {
  const passive = { capture: true, passive: true };
  const on = (target: EventTarget, type: string, run: (event: Event) => void) =>
    target.addEventListener(type, safely(run), passive);

  on(document, "click", tracker.clicked);
  on(document, "auxclick", tracker.clicked);
  on(window, "scroll", tracker.scrolled);
  on(window, "focus", tracker.attentionChanged);
  on(window, "blur", tracker.attentionChanged);
  on(document, "visibilitychange", () =>
    document.visibilityState === "hidden" ? tracker.leave() : tracker.attentionChanged(),
  );
  on(window, "pagehide", tracker.leave);
  on(window, "pageshow", (event) => {
    // Back from the back/forward cache: seen again, without being loaded.
    if ((event as PageTransitionEvent).persisted) tracker.view(undefined);
  });
  on(window, "popstate", tracker.urlChanged);
  wrapHistory("pushState", safely(tracker.urlChanged));
  wrapHistory("replaceState", safely(tracker.urlChanged));
}

/** Browsers have no event for these two. */
function wrapHistory(name: "pushState" | "replaceState", changed: () => void): void {
  const original = history[name];
  history[name] = function (this: History, ...args) {
    original.apply(this, args);
    changed();
  };
}

safely(install)();
