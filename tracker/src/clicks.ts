// What a click means: a download, an outlink, or an event that the page's markup names.

import type { Details, Kind } from "./hit";

/** The attribute `data-hitlake-event="category:action:name"`. */
const EVENT_ATTRIBUTE = "data-hitlake-event";

/** Files that are downloads by their name: the list that Matomo's users are used to. */
const DOWNLOAD_EXTENSIONS = [
  "7z|arc|arj|bz2?|gz|gzip|hqx|jar|rar|sea|sit|tar|tbz2?|tgz|xz|z|zip", // archives
  "apk|bin|deb|dmg|exe|msi|msp|rpm", // programs
  "azw3|csv|docx?|epub|ibooks|mobi|od[bfgst]|pdf|pptx?|rtf|txt|wpd|xlsx?|xml", // documents
  "aac|as[fx]|avi|flv|mov|movie|mp[234]|mpe?g|og[gv]|qtm?|ram?|wav|wm[av]", // sound and film
  "3mf|gif|jpe?g|obj|ply|png|stl", // pictures and models
  "asc|js|md5|phps|sha|sha256|sha512|sig|torrent", // the rest
].join("|");
const DOWNLOAD = new RegExp(`\\.(${DOWNLOAD_EXTENSIONS})(?=[?&]|$)`, "i");

export interface Click {
  kind: Kind;
  details: Details;
}

/** What this click asks to be counted as; a marked link is both an event and a link. */
export function readClick(click: Event): Click[] {
  // Not `closest`, which ends at the border of a shadow tree.
  const path = click.composedPath().filter((node): node is Element => node instanceof Element);
  const marked = path.find((element) => element.hasAttribute(EVENT_ATTRIBUTE));
  const link = path.find((element) => /^(a|area)$/i.test(element.tagName) && hrefOf(element));
  return [marked && readEvent(marked), link && readLink(link)].filter(
    (found): found is Click => !!found,
  );
}

function readEvent(element: Element): Click | undefined {
  const [category, action, ...rest] = (element.getAttribute(EVENT_ATTRIBUTE) || "").split(":");
  if (!category || !action) return undefined;
  // A name may hold colons itself.
  const name = rest.join(":");
  return { kind: "event", details: { event: { category, action, ...(name && { name }) } } };
}

function readLink(element: Element): Click | undefined {
  const url = resolve(hrefOf(element));
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  const details = { target: url.href };
  if (element.hasAttribute("download") || DOWNLOAD.test(url.pathname + url.search)) {
    return { kind: "download", details };
  }
  return url.host === location.host ? undefined : { kind: "outlink", details };
}

function resolve(href: string): URL | undefined {
  try {
    return new URL(href, document.baseURI);
  } catch {
    return undefined;
  }
}

/** The attribute, not the property: a link in an SVG has an object there. */
function hrefOf(element: Element): string {
  return element.getAttribute("href") || element.getAttribute("xlink:href") || "";
}
