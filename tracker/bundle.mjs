// The one place that says how the tracker is built: the build writes what this returns, the
// check compares with it.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Where the built script lies. It is committed, because the collector embeds it. */
export const DIST = fileURLToPath(new URL("dist/tracker.js", import.meta.url));

/** Builds the tracker in memory. */
export async function bundle() {
  const result = await build({
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    entryPoints: ["src/main.ts"],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2018",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "/*! Hitlake tracker, Apache-2.0 */" },
    write: false,
  });
  return result.outputFiles[0].text;
}
