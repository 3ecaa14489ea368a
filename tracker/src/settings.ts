// What the tag on the page says: which site, and where its hits go.

export interface Settings {
  site: number;
  /** Address of the collector's `/hit`. */
  endpoint: string;
}

/** Reads the script's own tag; undefined when it names no site. */
export function readSettings(): Settings | undefined {
  // A tag manager may run the script without a current one.
  const script = (document.currentScript ||
    document.querySelector('script[data-site][src*="tracker.js"]')) as HTMLScriptElement | null;
  const site = Number(script?.dataset.site);
  if (!script || !Number.isInteger(site) || site < 1) {
    console.warn('hitlake: the tag needs data-site="NUMBER"');
    return undefined;
  }
  const collector = new URL(script.dataset.collector || script.src, location.href);
  return { site, endpoint: `${collector.origin}/hit` };
}
