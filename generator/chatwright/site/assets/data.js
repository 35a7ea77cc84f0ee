// What the page knows: one block at once, the others when they are first looked into.

const FRAMEWORKS = { llamafactory: "LLaMA-Factory", swift: "ms-swift" };
const ENGINES = {
  llamafactory: "LLaMA-Factory",
  swift: "ms-swift",
  vllm: "vLLM",
  sglang: "SGLang",
  transformers: "Transformers",
  ollama: "Ollama",
  lmdeploy: "LMDeploy",
  "lmdeploy-folder": "LMDeploy, folder",
  "assistant-mask": "Transformers, mask",
  minijinja: "minijinja",
  "huggingface-jinja": "@huggingface/jinja",
  "token-ids": "token ids",
  "mistral-common": "mistral-common",
};
const FILE_OF = { vllm: "vllm", sglang: "vllm", transformers: "vllm", ollama: "ollama", lmdeploy: "lmdeploy" };
const HUBS = {
  huggingface: ["Hugging Face", "https://huggingface.co/"],
  modelscope: ["ModelScope", "https://modelscope.cn/models/"],
  openmind: ["OpenMind", "https://modelers.cn/models/"],
};

const blocks = new Map();

/** A block of the page's data, taken apart once. */
function block(name) {
  if (!blocks.has(name)) blocks.set(name, JSON.parse(document.getElementById(`data-${name}`).textContent));
  return blocks.get(name);
}

const INDEX = block("index");
const inOrder = new Intl.Collator("en", { numeric: true });
const MODELS = INDEX.models.sort(
  (one, other) =>
    inOrder.compare(INDEX.families[one.family].title, INDEX.families[other.family].title) ||
    inOrder.compare(one.name, other.name),
);
const MODEL_BY_KEY = new Map(MODELS.map((model) => [model.key, model]));
const TEMPLATES = new Map(Object.entries(INDEX.templates));

/** The templates that a model is trained with; where no framework has one, that of its family's spec. */
function templatesOf(model) {
  const used = Object.keys(FRAMEWORKS).map((framework) => model.templates[framework]).filter(Boolean);
  return [...new Set(used.length || !model.template ? used : [model.template])];
}

/** The name under which a framework trains a model, with a dagger where only the generated files know it. */
function nameIn(framework, model) {
  const template = TEMPLATES.get(model.templates[framework]);
  const name = template?.registered[framework] ?? "";
  const added = model.added.includes(framework) || (template?.added.includes(framework) ?? false);
  return added && (name || model.listed.includes(framework)) ? `${name || "–"} †` : name;
}

/** The id that a model is known by, for commands and for people. */
function idOf(model) {
  return model.huggingface ?? model.modelscope ?? model.openmind ?? model.path;
}

/** The page of an id on its hub; the part after a colon is a folder inside the repository. */
function hubAddress(hub, id) {
  return HUBS[hub][1] + segments(id.split(":")[0]);
}

function modelLink(model) {
  return `#/model/${segments(model.key)}`;
}

function templateLink(name) {
  return `#/template/${encodeURIComponent(name)}`;
}

function segments(path) {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** A generated file as it was written. */
function fileText(path) {
  const { lines, files } = block("files");
  return files[path].map((number) => lines[number]).join("\n");
}

/** A text of a template: its runs, or the reason why there is none. */
function drawnText(template, scenario, kind) {
  const { templates, kinds, drawn, texts, reasons, roles } = block("prompts");
  const place = INDEX.scenarios.indexOf(scenario) * kinds.length + kinds.indexOf(kind);
  const number = templates[template][place];
  if (number < 0) return { reason: reasons[-1 - number] };
  const runs = [];
  for (let index = 0; index < drawn[number].length; index += 2) {
    const what = drawn[number][index];
    runs.push({ role: roles[what >> 2], own: (what & 1) > 0, learned: (what & 2) > 0, text: texts[drawn[number][index + 1]] });
  }
  return { runs };
}
