// What engines said of a template's files.

function fidelitySection(template) {
  const verdicts = INDEX.fidelity[template] ?? {};
  const order = Object.keys(ENGINES);
  const place = (engine) => (order.indexOf(engine) + order.length) % order.length;
  const engines = Object.keys(verdicts).sort((one, other) => place(one) - place(other));
  return make(
    "section",
    { "aria-labelledby": "fidelity" },
    make("h2", { id: "fidelity" }, say("fidelity")),
    make("p", {}, say("fidelity_about", { n: INDEX.scenarios.length })),
    make(
      "table",
      {},
      make("caption", { class: "unseen" }, say("fidelity")),
      make(
        "thead",
        {},
        make("tr", {}, ["engine_column", "verdict", "counts"].map((word) => make("th", { scope: "col" }, say(word)))),
      ),
      make("tbody", {}, engines.map((engine) => verdictRow(engine, verdicts[engine]))),
    ),
  );
}

function verdictRow(engine, verdict) {
  const { version, grade } = INDEX.engines[engine];
  const title = ENGINES[engine] ?? engine;
  const counts = Object.entries(verdict.counts).map(([status, number]) => `${number} ${say(status)}`);
  return make(
    "tr",
    {},
    make(
      "th",
      { scope: "row" },
      title,
      make("span", { class: "version" }, ` ${version}`),
      grade === "engine" ? null : make("span", { class: "version" }, ` (${say("emulated")})`),
    ),
    make("td", {}, make("span", { class: `verdict ${verdict.status.replaceAll(" ", "-")}` }, say(verdict.status))),
    make("td", {}, counts.join(", "), verdict.why.length ? whyNot(title, verdict.why) : null),
  );
}

function whyNot(engine, why) {
  const items = why.map(([status, reason, scenarios]) =>
    make(
      "li",
      {},
      make("span", { class: "status" }, `${say(status)}: `),
      english(INDEX.reasons[reason]),
      scenarios.length ? " " : null,
      scenarios.map((number) => {
        const name = INDEX.scenarios[number];
        const go = () => chooseScenario(name);
        return make("button", { type: "button", class: "link", onclick: go }, scenarioTitle(name));
      }),
    ),
  );
  return make(
    "details",
    { class: "why" },
    make("summary", { "aria-label": `${say("why")}: ${engine}` }, say("why")),
    make("ul", {}, items),
  );
}
