// Addresses, settings, and the start. #/?q=… is the list, #/model/KEY a model, #/template/NAME a template.

let listScroll = 0;
let complete = false; // whether the browser has read the whole page, with the blocks after this script

/** Draw what the address names. */
function route() {
  clearTimeout(waiting);
  const [path, search = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  const asked = new URLSearchParams(search);
  const [, kind, ...rest] = path.split("/");
  if (kind === "model" || kind === "template") {
    if (!complete) return;
    if (!$("list").hidden) listScroll = scrollY;
    const name = decoded(rest.join("/"));
    const model = kind === "model" && MODEL_BY_KEY.get(name);
    const template = kind === "template" && TEMPLATES.has(name);
    const drawn = model ? modelPage(model, asked) : template ? templatePage(name, asked) : lostPage();
    showDetail(drawn, model ? model.name : template ? name : say("not_found"));
  } else {
    showList(asked);
  }
}

function showDetail(drawn, title) {
  $("detail").replaceChildren(...drawn);
  $("detail").hidden = false;
  $("list").hidden = true;
  document.title = `${title} · Chatwright`;
  scrollTo(0, 0);
  if (started) $("detail").querySelector("h1").focus({ preventScroll: true });
}

function showList(asked) {
  const before = listHash();
  readListHash(asked);
  if (listHash() !== before || !$("results").firstChild) {
    $("query").value = state.query;
    drawFacets();
    drawList();
    listScroll = 0;
  }
  const back = $("list").hidden && started;
  $("list").hidden = false;
  $("detail").hidden = true;
  $("detail").replaceChildren();
  document.title = "Chatwright";
  if (back) {
    scrollTo(0, listScroll);
    (lastOpened() ?? $("query")).focus({ preventScroll: true });
  }
}

let opened = null;

/** The link in the list that the visitor came from. */
function lastOpened() {
  return opened && [...$("results").querySelectorAll("a")].find((link) => link.hash === opened);
}

/** The address follows what is chosen on a page, so that it can be sent to others. */
function keepDetailHash(link, choice) {
  history.replaceState(null, "", `${link}?${new URLSearchParams(choice)}`);
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // no link of ours
  }
}

// -- settings ---------------------------------------------------------------------------------------------------------

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function labelSettings() {
  $("theme").textContent = say(isDark() ? "theme_light" : "theme_dark");
  $("language").textContent = say("language");
  $("language").lang = language === "en" ? "zh-CN" : "en";
  $("query").placeholder = say("placeholder");
  $("intro").textContent = say("intro", {
    models: MODELS.length,
    families: Object.keys(INDEX.families).length,
    templates: TEMPLATES.size,
  });
}

function switchTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  remember("theme", document.documentElement.dataset.theme);
  labelSettings();
}

/** Speak the other language; everything is drawn anew, at the same address. */
function switchLanguage() {
  speak(language === "en" ? "zh" : "en");
  remember("language", language);
  labelSettings();
  if (!$("list").hidden) keepListHashNow();
  drawFacets();
  drawList();
  const scroll = scrollY;
  route();
  scrollTo(0, scroll);
  $("language").focus({ preventScroll: true });
}

// -- start ------------------------------------------------------------------------------------------------------------

let started = false;

function start() {
  const theme = remembered("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  speak(firstLanguage());
  labelSettings();
  startList();
  $("theme").addEventListener("click", switchTheme);
  $("language").addEventListener("click", switchLanguage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", labelSettings);
  $("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address is the route's
    $("main").focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#list a");
    if (!link) return;
    keepListHashNow(); // so that the way back leads to this search
    opened = link.hash;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox], [type=radio]), select, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if ($("list").hidden) location.hash = listHash();
    setTimeout(() => {
      $("query").focus();
      $("query").select();
    });
  });
  addEventListener("hashchange", route);
  route();
  started = true;
}

start();
document.addEventListener("DOMContentLoaded", () => {
  complete = true;
  started = false;
  if ($("list").hidden) route();
  started = true;
});
