// A prompt, drawn turn by turn.

const GROUPS = {
  basic: /^(plain|multi|system|system_multi)$/,
  tools: /^tools?_(offered|system|call|result|parallel|chain)$/,
  thinking: /^thinking_(on|off|unset|preserved|tools|tools_off)$/,
  level: /^level_/,
  edge: /./,
};
const FIRST_CHOICE = ["system_multi", "multi", "plain"];
const drawing = { scenario: null, kind: "prompt", white: true }; // kept from model to model

/** The section of a template's prompt; `changed` is called with what the visitor chose. */
function promptSection(template, asked, changed) {
  const { kinds, day } = block("prompts");
  const fits = (scenario) => INDEX.scenarios.includes(scenario) && scenario;
  const draws = (scenario) => fits(scenario) && drawnText(template, scenario, "prompt").runs && scenario;
  drawing.scenario =
    fits(asked.get("scenario")) || draws(drawing.scenario) || FIRST_CHOICE.find(draws) || INDEX.scenarios[0];
  drawing.kind = kinds.includes(asked.get("kind")) ? asked.get("kind") : drawing.kind;

  const turns = make("ol", { class: "turns" });
  const legend = make("p", { class: "legend" });
  const choice = scenarioChoice();
  const kindChoice = make(
    "select",
    { id: "kind" },
    kinds.map((kind) => make("option", { value: kind, selected: kind === drawing.kind }, say(`${kind}_kind`))),
  );
  const white = make("input", { type: "checkbox", id: "white", checked: drawing.white });
  const runs = () => drawnText(template, drawing.scenario, drawing.kind).runs ?? [];
  const draw = () => {
    const drawn = drawnText(template, drawing.scenario, drawing.kind);
    turns.classList.toggle("plain-space", !drawing.white);
    turns.replaceChildren(...(drawn.runs ? drawTurns(drawn.runs) : [cannot(drawn.reason)]));
    legend.replaceChildren(...legendOf(drawn.runs ?? [], TEMPLATES.get(template).dated && day));
  };
  const follow = () => {
    Object.assign(drawing, { scenario: choice.value, kind: kindChoice.value, white: white.checked });
    draw();
    changed({ scenario: drawing.scenario, kind: drawing.kind });
  };
  for (const control of [choice, kindChoice, white]) control.addEventListener("change", follow);
  draw();
  return make(
    "section",
    { "aria-labelledby": "prompt", class: "prompt" },
    make(
      "div",
      { class: "head" },
      make("h2", { id: "prompt", tabindex: "-1" }, say("prompt")),
      copyButton(null, () => runs().map((run) => run.text).join(""), "copy_prompt"),
    ),
    make(
      "div",
      { class: "controls" },
      make("label", {}, make("span", {}, say("conversation")), choice),
      make("label", {}, make("span", {}, say("kind")), kindChoice),
      make("label", { class: "check" }, white, make("span", {}, say("white_space"))),
    ),
    turns,
    legend,
  );
}

/** Go to another conversation of the prompt that is on the page. */
function chooseScenario(scenario) {
  $("scenario").value = scenario;
  $("scenario").dispatchEvent(new Event("change"));
  $("prompt").focus();
  $("prompt").scrollIntoView();
}

function scenarioChoice() {
  const left = new Set(INDEX.scenarios);
  const groups = Object.entries(GROUPS).map(([group, names]) => {
    const members = [...left].filter((name) => names.test(name));
    members.forEach((name) => left.delete(name));
    const options = members.map((name) =>
      make("option", { value: name, selected: name === drawing.scenario }, scenarioTitle(name)),
    );
    return options.length ? make("optgroup", { label: say(`group_${group}`) }, options) : null;
  });
  return make("select", { id: "scenario" }, groups);
}

function scenarioTitle(name) {
  const title = say(`scenario_${name}`);
  return title === `scenario_${name}` ? name : title;
}

/** Turns: what one role writes without another in between. */
function drawTurns(runs) {
  const turns = [];
  for (const run of runs) {
    if (turns.at(-1)?.role !== run.role) turns.push({ role: run.role, runs: [] });
    turns.at(-1).runs.push(run);
  }
  const drawn = turns.map(({ role, runs: own }) =>
    make(
      "li",
      { class: `turn ${role}` },
      make("span", { class: "role" }, say(role)),
      make("p", { class: "text", translate: "no" }, own.map(drawRun)),
    ),
  );
  if (drawing.kind === "prompt") drawn.push(make("li", { class: "onward" }, say("opens")));
  return drawn;
}

function drawRun(run) {
  const tag = run.learned ? "strong" : "span";
  return make(tag, { class: run.own ? "own" : "said" }, ...visible(run.text));
}

/** Text in which every character can be seen; white space stays what it is, with a sign drawn over it. */
function visible(text) {
  return text
    .split(new RegExp(`(${unseen.source})`, "u"))
    .filter(Boolean)
    .map((part) => {
      if (part === "\n") return make("span", { class: "newline" }, part);
      if (part === " ") return make("span", { class: "space" }, part);
      if (part === "\t") return make("span", { class: "tab" }, part);
      if (unseen.test(part) && [...part].length === 1) return make("span", { class: "escape" }, escaped(part));
      return part;
    });
}

function cannot(reason) {
  const [before, behind] = say("cannot").split("{reason}");
  return make("li", { class: "cannot" }, before, english(reason), behind);
}

function legendOf(runs, day) {
  const told = [];
  if (runs.some((run) => run.own)) told.push(make("span", { class: "own" }, say("legend_own")));
  if (runs.some((run) => run.learned)) told.push(make("strong", {}, say("legend_learned")));
  if (day && runs.length) told.push(make("span", {}, say("legend_day", { day })));
  return told;
}
