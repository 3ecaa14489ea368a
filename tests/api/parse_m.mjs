// Reads M, the language of Power BI and Excel, from the standard input by Microsoft's own lexer and parser; says what is
// wrong with it, and fails.
import { readFileSync } from "node:fs";
import parser from "@microsoft/powerquery-parser";

const { DefaultSettings, TaskUtils } = parser;
const task = await TaskUtils.tryLexParse(DefaultSettings, readFileSync(0, "utf8"));
if (!TaskUtils.isParseStageOk(task)) {
  console.error(task.error.message);
  process.exit(1);
}
