// What the page may call as `window.hitlake`.

import type { Tracker } from "./tracker";

export interface Api {
  /** Something named happened. */
  event(category: string, action: string, name?: string, value?: number): void;
  /** A new view of the current URL, for pages that change without changing it. */
  pageview(): void;
  /** The site was searched; `results` is their number. */
  search(term: string, category?: string, results?: number): void;
  /** The goal with this id was reached. */
  goal(id: number, revenue?: number): void;
}

/** Calls of a page that has no tracker do nothing, so that no page need ask. */
export function createApi(tracker: () => Tracker | undefined): Api {
  const track: Tracker["track"] = (...hit) => tracker()?.track(...hit);
  return {
    event(category, action, name, value) {
      if (category && action) track("event", { event: { category, action, ...defined({ name, value }) } });
    },
    pageview() {
      tracker()?.viewNext();
    },
    search(term, category, results) {
      if (term) track("search", { search: { term, ...defined({ category, results }) } });
    },
    goal(id, revenue) {
      track("goal", { goal: { id, ...defined({ revenue }) } });
    },
  };
}

/** The properties that the caller gave. */
function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  ) as { [K in keyof T]?: NonNullable<T[K]> };
}
