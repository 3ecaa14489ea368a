// Fails when the committed script is not what the sources give, or has outgrown its budget.

import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { bundle, DIST } from "./bundle.mjs";

/** What a page pays for the tracker, gzipped. */
const BUDGET_BYTES = 5000;

const committed = await readFile(DIST, "utf8").catch(() => "");
if (committed !== (await bundle())) {
  console.error("dist/tracker.js is not what src/ gives: run `npm run build` and commit it");
  process.exit(1);
}

const size = gzipSync(committed, { level: 9 }).length;
console.log(`dist/tracker.js: ${size} bytes gzipped, budget ${BUDGET_BYTES}`);
if (size >= BUDGET_BYTES) {
  console.error("dist/tracker.js is over its budget");
  process.exit(1);
}
