// The page's words in both languages, and which of them is spoken.

const WORDS = JSON.parse(document.getElementById("data-words").textContent);
let language = "en";

/** A word of the page, with its placeholders filled; what has no word is said by its name. */
function say(name, values = {}) {
  const text = WORDS[language][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** The language of the address (?lang=zh), of the last visit, or of the browser. */
function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered("language") ?? navigator.language;
  return asked.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
}

/** What this browser keeps from visit to visit; nothing where it keeps nothing. */
function remembered(name) {
  try {
    return localStorage.getItem(`chatwright-${name}`);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`chatwright-${name}`, value);
  } catch {
    // a private window: it is only not kept
  }
}
