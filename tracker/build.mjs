// Writes dist/tracker.js.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bundle, DIST } from "./bundle.mjs";

await mkdir(dirname(DIST), { recursive: true });
await writeFile(DIST, await bundle());
