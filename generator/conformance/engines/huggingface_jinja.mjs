// @huggingface/jinja as a server: a JSON request a line on the standard input, a JSON answer a line on the output.
//
// The last two arguments are the folder of the unpacked package, and the day (YYYY-MM-DD) at whose noon every clock of
// this process stands. A request is {"source", "given"}: a chat template, and the variables it sees. The
// answer is {"text"}, or {"error"} where the engine refuses the template or the template the variables.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, day] = process.argv.slice(-2);
const [year, month, date] = day.split("-").map(Number);
const RealDate = Date;
const noon = new RealDate(year, month - 1, date, 12);
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [noon.getTime()]));
  }
  static now() {
    return noon.getTime();
  }
};

const { Template } = await import(pathToFileURL(join(folder, "dist", "index.js")));
const compiled = new Map();

function answer({ source, given }) {
  try {
    if (!compiled.has(source)) compiled.set(source, new Template(source));
    return { text: compiled.get(source).render(given) };
  } catch (error) {
    return { error: String(error.message) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
}
