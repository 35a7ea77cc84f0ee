// The list: what is searched for, the filters with their counts, and the models found.

const PAGE = 20; // models drawn at once, more than a screen holds; further ones when the visitor comes near
const $ = (id) => document.getElementById(id);
const state = { query: "", chosen: [], found: [], shown: 0 };

/** Draw the filters; their counts follow with every search. */
function drawFacets() {
  $("heads").replaceChildren(make("span"), ...Object.values(FRAMEWORKS).map((title) => make("span", {}, title)), make("span"));
  const groups = Object.entries(FACETS).map(([group, options]) =>
    make(
      "fieldset",
      {},
      make("legend", {}, say(group)),
      options.map((option) => {
        const facet = `${group}:${option}`;
        const box = make("input", { type: "checkbox", value: facet, checked: state.chosen.includes(facet) });
        const label = FRAMEWORKS[option] ?? ENGINES[option] ?? say(option);
        return make("label", {}, box, make("span", {}, label), make("span", { class: "number", "data-facet": facet }));
      }),
    ),
  );
  $("facets").replaceChildren(...groups);
}

/** Search, and draw what is found. */
function drawList() {
  const { models, counts } = find(state.query, state.chosen);
  state.found = models;
  state.shown = 0;
  $("count").textContent = say(models.length === 1 ? "models_one" : "models", { n: models.length });
  $("clear").hidden = !state.query && !state.chosen.length;
  $("chosen").textContent = state.chosen.length ? `(${state.chosen.length})` : "";
  for (const place of $("facets").querySelectorAll("[data-facet]")) {
    place.textContent = counts.get(place.dataset.facet) ?? 0;
  }
  drawTemplates();
  $("results").replaceChildren();
  if (models.length) drawMore();
  else $("results").append(make("li", { class: "nothing" }, say("nothing")));
  $("more").hidden = state.shown >= models.length;
}

function drawTemplates() {
  const names = findTemplates(state.query);
  $("templates").hidden = !names.length;
  const links = names.slice(0, 8).map((name) => make("a", { href: templateLink(name) }, ...marked(name, state.query)));
  const rest = names.length > links.length ? [`+${names.length - links.length}`] : [];
  $("templates").replaceChildren(make("span", {}, say("templates_found")), ...links, ...rest);
}

function drawMore() {
  const next = state.found.slice(state.shown, state.shown + PAGE);
  $("results").append(...next.map(drawRow));
  state.shown += next.length;
  $("more").textContent = say("more", { n: state.found.length - state.shown });
  $("more").hidden = state.shown >= state.found.length;
}

function drawRow(model) {
  const id = idOf(model);
  return make(
    "li",
    {},
    make(
      "span",
      { class: "who" },
      make("a", { href: modelLink(model) }, ...marked(model.name, state.query)),
      id && make("span", { class: "id" }, ...marked(id, state.query)),
    ),
    Object.entries(FRAMEWORKS).map(([framework, title]) => {
      const name = nameIn(framework, model);
      const shown = name ? make("code", {}, ...marked(name, state.query)) : make("span", { class: "none" }, "–");
      return make("span", { class: "use" }, make("span", { class: "label" }, `${title} `), shown);
    }),
    make("span", { class: "can" }, abilities(model).join(" · ")),
  );
}

/** What a model can besides talk. */
function abilities(model) {
  const takes = model.modalities.map((kind) => say(`can_${kind}`));
  if (model.multimodal && !takes.length) takes.push(say("can_multimodal"));
  if (model.facets.has("tools:yes")) takes.push(say("can_tools"));
  if (model.facets.has("thinking:yes")) takes.push(say("can_thinking"));
  return takes;
}

/** The list as a permanent link. */
function listHash() {
  const parameters = new URLSearchParams();
  if (state.query) parameters.set("q", state.query);
  for (const group of Object.keys(FACETS)) {
    const options = state.chosen.filter((facet) => facet.startsWith(`${group}:`));
    if (options.length) parameters.set(group, options.map((facet) => facet.slice(group.length + 1)).join(","));
  }
  return parameters.size ? `#/?${parameters}` : "#/";
}

/** Search for what a permanent link says. */
function readListHash(parameters) {
  state.query = parameters.get("q") ?? "";
  state.chosen = Object.entries(FACETS).flatMap(([group, options]) => {
    const asked = (parameters.get(group) ?? "").split(",");
    return options.filter((option) => asked.includes(option)).map((option) => `${group}:${option}`);
  });
}

let waiting = 0;

/** The address follows the search, and a screen reader hears the count, when the visitor pauses. */
function keepListHash() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    keepListHashNow();
    announce($("count").textContent);
  }, 300);
}

function keepListHashNow() {
  clearTimeout(waiting);
  history.replaceState(null, "", listHash());
}

function searchAnew() {
  drawList();
  keepListHash();
}

function startList() {
  $("query").addEventListener("input", () => {
    state.query = $("query").value.trim();
    searchAnew();
  });
  $("facets").addEventListener("change", () => {
    state.chosen = [...$("facets").querySelectorAll("input:checked")].map((box) => box.value);
    searchAnew();
  });
  $("facets").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => {
    readListHash(new URLSearchParams());
    $("query").value = "";
    drawFacets();
    searchAnew();
    $("query").focus();
  });
  $("more").addEventListener("click", () => {
    const next = state.shown;
    drawMore();
    $("results").children[next]?.querySelector("a").focus();
  });
  new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && !$("more").hidden && drawMore(),
    { rootMargin: "600px" },
  ).observe($("more"));
  $("list").addEventListener("keydown", moveThroughResults);
  const wide = matchMedia("(min-width: 56rem)");
  const follow = () => ($("filters").open = wide.matches);
  wide.addEventListener("change", follow);
  follow();
}

/** The arrow keys go from the search through the results and back; Escape goes back at once. */
function moveThroughResults(event) {
  const links = [...$("results").querySelectorAll("a")];
  const here = links.indexOf(document.activeElement);
  const searching = document.activeElement === $("query");
  if (here < 0 && !searching) return;
  if (event.key === "ArrowDown") (links[here + 1] ?? links.at(-1))?.focus();
  else if (event.key === "ArrowUp" && here >= 0) (links[here - 1] ?? $("query")).focus();
  else if (event.key === "Escape" && here >= 0) $("query").focus();
  else if (event.key === "Enter" && searching) links[0]?.click();
  else return;
  event.preventDefault();
}
