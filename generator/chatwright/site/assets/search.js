// Search and filters: every model is looked at on every key, which takes about a millisecond.

const FACETS = {
  framework: ["llamafactory", "swift"],
  engine: ["vllm", "sglang", "transformers", "ollama", "lmdeploy"],
  modality: ["text", "image", "video", "audio"],
  tools: ["yes", "no"],
  thinking: ["yes", "levels", "no"],
};

for (const model of MODELS) {
  const family = INDEX.families[model.family];
  const names = templatesOf(model);
  const known = names.flatMap((name) => [name, ...Object.values(TEMPLATES.get(name).registered)]).filter(Boolean);
  const lower = (values) => values.filter(Boolean).map((value) => value.toLowerCase());
  model.lowerName = model.name.toLowerCase();
  model.ownIds = new Set(lower([model.huggingface, model.modelscope, model.openmind, model.path]));
  model.exact = new Set(lower([...known, model.model_type, ...model.architectures]));
  model.ids = [...model.ownIds].join("\n");
  model.all = lower([...model.exact, model.family, family.title, family.publisher]).join("\n");
  model.squeezed = squeeze([model.lowerName, model.ids, model.all].join("\n"));
  model.facets = new Set(facetsOf(model, names.map((name) => TEMPLATES.get(name))));
}

/** The text without what people leave out or write differently: "Llama-3.1" and "llama3.1" are one. */
function squeeze(text) {
  return text.replace(/[^\p{L}\p{M}\p{N}\n]+/gu, "");
}

function* facetsOf(model, templates) {
  for (const framework of FACETS.framework) if (model.templates[framework]) yield `framework:${framework}`;
  for (const engine of FACETS.engine) {
    if (templates.some((template) => template.files[FILE_OF[engine]])) yield `engine:${engine}`;
  }
  if (!model.multimodal) yield "modality:text";
  for (const kind of model.modalities) yield `modality:${kind}`;
  if (!templates.length) return;
  yield templates.some((template) => template.tool_format) ? "tools:yes" : "tools:no";
  yield templates.some((template) => template.thinking) ? "thinking:yes" : "thinking:no";
  if (templates.some((template) => template.levels)) yield "thinking:levels";
}

/** The words that are searched for; of a model's address on a hub, its id. */
function wordsOf(query) {
  return query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const hub = Object.values(HUBS).find(([, address]) => word.startsWith(address));
    return hub ? word.slice(hub[1].length).split(/[/?#]/).slice(0, 2).join("/") : word;
  });
}

/** The models that hold every word and every chosen facet, the closest first; and how many of them have each facet. */
function find(query, chosen) {
  const words = wordsOf(query).map((word) => [word, squeeze(word)]);
  const found = [];
  const counts = new Map();
  for (const model of MODELS) {
    if (chosen.some((facet) => !model.facets.has(facet))) continue;
    const distance = distanceOf(model, words);
    if (distance === null) continue;
    found.push([distance, found.length, model]);
    for (const facet of model.facets) counts.set(facet, (counts.get(facet) ?? 0) + 1);
  }
  if (words.length) found.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return { models: found.map(([, , model]) => model), counts };
}

/** How far a model is from the words; null where one of them is not in it. */
function distanceOf(model, words) {
  let distance = 0;
  for (const [word, squeezed] of words) {
    const place = model.lowerName.indexOf(word);
    if (model.lowerName === word || model.ownIds.has(word)) distance += 0;
    else if (place === 0) distance += 1;
    else if (place > 0 && !/[\p{L}\p{N}]/u.test(model.lowerName[place - 1])) distance += 2;
    else if (model.exact.has(word)) distance += 3;
    else if (place > 0) distance += 4;
    else if (model.ids.includes(word)) distance += 5;
    else if (model.all.includes(word)) distance += 6;
    else if (squeezed && model.squeezed.includes(squeezed)) distance += 7;
    else return null;
  }
  return distance;
}

/** The templates whose names hold every word, for a search that means one. */
function findTemplates(query) {
  const words = wordsOf(query);
  if (!words.length) return [];
  return [...TEMPLATES.keys()].filter((name) => words.every((word) => name.toLowerCase().includes(word)));
}

/** The text with what was searched for marked. */
function marked(text, query) {
  const words = wordsOf(query);
  const lower = text.toLowerCase();
  if (!words.length || lower.length !== text.length) return [text];
  const inside = new Array(text.length).fill(false);
  for (const word of words) {
    for (let place = lower.indexOf(word); place >= 0; place = lower.indexOf(word, place + 1)) {
      inside.fill(true, place, place + word.length);
    }
  }
  const parts = [];
  for (let start = 0, end; start < text.length; start = end) {
    for (end = start; end < text.length && inside[end] === inside[start]; end += 1);
    const part = text.slice(start, end);
    parts.push(inside[start] ? make("mark", {}, part) : part);
  }
  return parts;
}
