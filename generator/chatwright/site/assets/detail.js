// The page of one model, and that of one template.

/** The page of a model; it shows one of its templates at a time. */
function modelPage(model, asked) {
  const names = templatesOf(model);
  const family = INDEX.families[model.family];
  const chosen = names.includes(asked.get("template")) ? asked.get("template") : names[0];
  const place = make("div", { class: "sections" });
  const facts = make("dl", { class: "facts" });
  const show = (template, parameters) => {
    const changed = (choice) => keepDetailHash(modelLink(model), { ...(names.length > 1 ? { template } : {}), ...choice });
    place.replaceChildren(
      ...(template ? templateSections(template, model, parameters, changed) : [make("p", {}, say("no_template"))]),
    );
    facts.replaceChildren(...modelFacts(model), ...(template ? templateFacts(template, true) : []));
  };
  show(chosen, asked);
  const follow = (template) => {
    show(template, new URLSearchParams());
    keepDetailHash(modelLink(model), { template, scenario: drawing.scenario, kind: drawing.kind });
  };
  return [
    backLink(),
    heading(model.name, `${family.title} · ${family.publisher}`, "span", known(model)),
    make(
      "div",
      { class: "columns" },
      make("div", { class: "sections" }, names.length > 1 ? templateChoice(model, names, chosen, follow) : null, place),
      facts,
    ),
  ];
}

function templatePage(name, asked) {
  const entry = TEMPLATES.get(name);
  const family = INDEX.families[entry.family];
  const changed = (choice) => keepDetailHash(templateLink(name), choice);
  const models = MODELS.filter((model) => templatesOf(model).includes(name));
  return [
    backLink(),
    heading(name, `${say("template")} · ${family.title} · ${family.publisher}`, "code"),
    make(
      "div",
      { class: "columns" },
      make("div", { class: "sections" }, templateSections(name, null, asked, changed), modelsSection(models)),
      make("dl", { class: "facts" }, ...templateFacts(name)),
    ),
  ];
}

function lostPage() {
  return [backLink(), heading(say("not_found"), say("not_found_text"))];
}

function templateSections(template, model, asked, changed) {
  return [
    promptSection(template, asked, changed),
    filesSection(template, model),
    trainingSection(template, model),
    fidelitySection(template),
    publishersSection(template),
  ].filter(Boolean);
}

function modelsSection(models) {
  if (!models.length) return null;
  return make(
    "section",
    { "aria-labelledby": "models-of" },
    make("h2", { id: "models-of" }, `${say("models_of")} (${models.length})`),
    make("ul", { class: "names" }, models.map((model) => make("li", {}, make("a", { href: modelLink(model) }, model.name)))),
  );
}

function backLink() {
  return make("nav", { "aria-label": say("all_models") }, make("a", { class: "back", href: listHash() }, `← ${say("all_models")}`));
}

function heading(title, below, tag = "span", more = []) {
  return make("header", { class: "lead" }, make("h1", { tabindex: "-1" }, make(tag, {}, title)), make("p", {}, below), more);
}

/** Under which names hubs and frameworks know a model. */
function known(model) {
  const hubs = Object.entries(HUBS).map(([hub, [title]]) => model[hub] && fact(title, hubLink(hub, model[hub])));
  const frameworks = Object.entries(FRAMEWORKS).map(([framework, title]) =>
    fact(title, nameIn(framework, model) ? make("code", {}, nameIn(framework, model)) : "–"),
  );
  return make("dl", { class: "known" }, hubs, frameworks);
}

/** Which template is shown, where the frameworks have different ones. */
function templateChoice(model, names, chosen, follow) {
  const options = names.map((name) => {
    const users = Object.entries(FRAMEWORKS).filter(([framework]) => model.templates[framework] === name);
    const title = `${users.map(([, framework]) => framework).join(", ")}: `;
    const radio = make("input", { type: "radio", name: "template", value: name, checked: name === chosen, onchange: () => follow(name) });
    return make("label", {}, radio, make("span", {}, title, make("code", {}, name)));
  });
  return make("fieldset", { class: "choice" }, make("legend", {}, say("two_templates")), options);
}

// -- facts ------------------------------------------------------------------------------------------------------------

function modelFacts(model) {
  const takes = [say("text_word"), ...model.modalities.map((kind) => say(`can_${kind}`))];
  if (model.multimodal && !model.modalities.length) takes.push(say("can_multimodal"));
  return shown([
    model.path && fact(say("local_path"), make("code", {}, model.path)),
    model.model_type && fact(say("model_type"), make("code", {}, model.model_type)),
    model.architectures.length > 0 && fact(say("architecture"), codes(model.architectures)),
    fact(say("takes"), takes.join(", ")),
    model.task && fact(say("task"), model.task),
    model.requires.length > 0 && fact(say("requires"), codes(model.requires)),
  ]);
}

function templateFacts(name, linked = false) {
  const entry = TEMPLATES.get(name);
  return shown([
    linked && fact(say("template"), make("a", { href: templateLink(name) }, make("code", {}, name))),
    Object.entries(FRAMEWORKS).map(([framework, title]) => {
      const known = entry.registered[framework];
      const mark = entry.added.includes(framework) ? " †" : "";
      return !linked && known && fact(title, make("code", {}, known + mark));
    }),
    fact(say("tools"), entry.tool_format ? make("code", {}, entry.tool_format) : say("no")),
    fact(say("thinking"), entry.thinking ? make("code", {}, entry.switch ?? say("yes")) : say("no")),
    entry.levels && fact(say("level_names"), make("code", {}, entry.levels.variable), ": ", entry.levels.names.join(", ")),
    entry.stop_words.length > 0 && fact(say("stops"), codes(entry.stop_words)),
    entry.default_system && fact(say("default_system"), make("span", { class: "quoted" }, entry.default_system)),
  ]);
}

/** The facts that there are. */
function shown(facts) {
  return facts.flat().filter(Boolean);
}

function fact(title, ...values) {
  return make("div", {}, make("dt", {}, title), make("dd", {}, values));
}

function codes(values) {
  return values.flatMap((value, index) => (index ? [" ", make("code", {}, value)] : [make("code", {}, value)]));
}

function hubLink(hub, id) {
  const link = make("a", { href: hubAddress(hub, id), rel: "noopener noreferrer" }, id);
  return [link, " ", copyButton(id, () => id)];
}
