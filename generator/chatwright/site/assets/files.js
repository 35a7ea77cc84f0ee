// The files that serve a template, each to copy and to download, with the command that uses it.

function filesSection(template, model) {
  const entry = TEMPLATES.get(template);
  return make(
    "section",
    { "aria-labelledby": "files" },
    make("h2", { id: "files" }, say("files")),
    ["vllm", "ollama", "lmdeploy", "training"].map((target) => fileCard(template, entry, target, model)),
  );
}

function fileCard(template, entry, target, model) {
  const path = entry.files[target];
  const title = make("h3", {}, say(`file_${target}`));
  if (!path) {
    const folder = target === "lmdeploy" && entry.files.vllm && !entry.pair;
    return make("div", { class: "card" }, title, noFile(entry.reasons[target]), folder && use("use_lmdeploy_folder"));
  }
  const name = target === "training" ? `${template}.training.jinja` : path.split("/").at(-1);
  const text = () => fileText(path);
  const view = make("pre", { tabindex: "0", role: "region", "aria-label": name, translate: "no" });
  const show = make(
    "details",
    { class: "file", ontoggle: () => show.open && !view.textContent && (view.textContent = text()) },
    make("summary", {}, say("show_file")),
    view,
  );
  const engines = Object.keys(entry.commands).filter((engine) => FILE_OF[engine] === target);
  return make(
    "div",
    { class: "card" },
    make(
      "div",
      { class: "head" },
      title,
      make("code", { class: "file-name" }, name),
      make("span", { class: "buttons" }, copyButton(name, text), downloadButton(name, text)),
    ),
    use(`use_${target}`),
    (entry.notes[target] ?? []).map((note) => english(note, "p")),
    engines.map((engine) => [
      commandLine(shellLine(entry.commands[engine].map((word) => word ?? (model && idOf(model)) ?? "MODEL"))),
      (entry.parser_notes[engine] ?? []).map((note) => english(note, "p")),
    ]).flat(2),
    show,
  );
}

function use(word) {
  return make("p", {}, say(word));
}

function noFile(reason) {
  const [before, after] = say("no_file").split("{reason}");
  return make("p", {}, before, english(reason ?? say("none")), after);
}

/** How each framework trains with a template. */
function trainingSection(template, model) {
  const entry = TEMPLATES.get(template);
  return make(
    "section",
    { "aria-labelledby": "training" },
    make("h2", { id: "training" }, say("training")),
    Object.entries(FRAMEWORKS).map(([framework, title]) => {
      const name = entry.registered[framework];
      const ours = entry.added.includes(framework) || (model?.added.includes(framework) ?? false);
      const apart = model && name && !model.listed.includes(framework);
      return make(
        "div",
        { class: "card" },
        make("h3", {}, title),
        name ? commandLine(trainingLine(framework, name, model)) : use("not_registered"),
        !name && model?.templates[framework] && otherTemplate(model.templates[framework]),
        name && ours && use("added"),
        apart && use("from_path"),
        entry.reasons[framework] && english(entry.reasons[framework], "p"),
        (entry.notes[framework] ?? []).map((note) => english(note, "p")),
      );
    }),
  );
}

function otherTemplate(name) {
  const [before, after] = say("other_template").split("{name}");
  return make("p", {}, before, make("a", { href: templateLink(name) }, make("code", {}, name)), after);
}

function trainingLine(framework, name, model) {
  if (framework === "llamafactory") return `template: ${/^[\w.-]+$/.test(name) ? name : JSON.stringify(name)}`;
  const type = model?.model_type ? ["--model_type", model.model_type] : [];
  return shellLine([...type, "--template", name]);
}
