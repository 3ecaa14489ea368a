// How long the parts of the page load took, from the browser's own record.

import type { Timings } from "./hit";

/** The phases that are over by now. */
export function readTimings(): Timings {
  const entry = performance.getEntriesByType("navigation")[0] as
    | PerformanceNavigationTiming
    | undefined;
  if (!entry) return {};
  const phases: Record<keyof Timings, [start: number, end: number]> = {
    network_ms: [entry.fetchStart, entry.connectEnd],
    server_ms: [entry.requestStart, entry.responseStart],
    transfer_ms: [entry.responseStart, entry.responseEnd],
    dom_processing_ms: [entry.responseEnd, entry.domInteractive],
    dom_completion_ms: [entry.domInteractive, entry.domComplete],
    on_load_ms: [entry.loadEventStart, entry.loadEventEnd],
  };
  const timings: Timings = {};
  for (const name of Object.keys(phases) as (keyof Timings)[]) {
    const [start, end] = phases[name];
    // An end of zero: the phase is not over.
    if (end > 0) timings[name] = Math.max(0, Math.round(end - start));
  }
  return timings;
}

/** What is known now and was not in `known`; undefined when there is nothing new. */
export function newTimings(known: Timings): Timings | undefined {
  const added = Object.entries(readTimings()).filter(([name]) => !(name in known));
  return added.length ? Object.fromEntries(added) : undefined;
}
