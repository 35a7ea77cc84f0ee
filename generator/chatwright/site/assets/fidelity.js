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
    make("td", {}, verdictMark(verdict)),
    make("td", {}, countsOf(verdict), verdict.why.length ? whyNot(title, verdict.why) : null),
  );
}

function verdictMark({ status }) {
  return make("span", { class: `verdict ${status.replaceAll(" ", "-")}` }, say(status));
}

function countsOf({ counts }) {
  return Object.entries(counts).map(([status, number]) => `${number} ${say(status)}`).join(", ");
}

function whyNot(engine, why, words = english) {
  const items = why.map(([status, reason, scenarios]) =>
    make(
      "li",
      {},
      make("span", { class: "status" }, `${say(status)}: `),
      words(INDEX.reasons[reason]),
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

/** How a template compares with the chat templates that its models' publishers ship. */
function publishersSection(template) {
  const known = INDEX.publishers.templates;
  if (!Object.hasOwn(known, template)) return null;
  return make(
    "section",
    { "aria-labelledby": "publishers" },
    make("h2", { id: "publishers" }, say("publishers")),
    make("p", {}, say("publishers_about")),
    known[template].map(publisherCard),
  );
}

function publisherCard(row) {
  const names = row.publishers.map(([repository]) => repository).join(", ");
  const links = row.publishers.map(([repository, verbatim], place) => [
    place ? ", " : null,
    make("a", { href: hubAddress("huggingface", repository), rel: "noopener noreferrer" }, repository),
    verbatim ? null : ` (${say("copy_by_others")})`,
  ]);
  return make(
    "div",
    { class: "card" },
    make("h3", {}, links),
    make("p", {}, verdictMark(row), " ", countsOf(row)),
    row.bos && make("p", {}, say(`bos_${row.bos}`)),
    row.first && firstDifference(row.first),
    row.why.length ? whyNot(names, row.why, causeWords) : null,
  );
}

/** The first place where the two prompts part, every character visible. */
function firstDifference({ scenario, before, publisher, ours }) {
  const text = (value) => make("code", { translate: "no" }, value);
  return make(
    "dl",
    { class: "parting" },
    fact(say("first_difference"), make("button", { type: "button", class: "link", onclick: () => chooseScenario(scenario) }, scenarioTitle(scenario))),
    before && fact(say("behind"), text(before)),
    fact(say("publisher_writes"), text(publisher)),
    fact(say("ours_writes"), text(ours)),
  );
}

/** What parts two templates in words: names of causes, or what an engine said. */
function causeWords(reason) {
  const known = INDEX.publishers.causes[language];
  const causes = reason.split(", ");
  return causes.every((cause) => Object.hasOwn(known, cause)) ? causes.map((cause) => known[cause]).join("; ") : english(reason);
}
