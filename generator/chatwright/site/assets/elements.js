// Elements of the page. All data becomes text or an attribute, never HTML.

/** An element; a property that is null, undefined or false is left out, one that begins with "on" is listened to. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  const there = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...there.map((child) => (child instanceof Node ? child : seen(String(child)))));
  return element;
}

/** What leaves no mark of its own, as `characters.py` has it. */
const unseen = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;

/** The text with an escape for what cannot be seen, so that no name turns the direction of a line or hides in it. */
function seen(text) {
  return text.replace(new RegExp(unseen, "gu"), (character) => (" \n\t".includes(character) ? character : escaped(character)));
}

function escaped(character) {
  const code = character.codePointAt(0);
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

/** English text that engines and specs say, whatever language the page speaks. */
function english(text, tag = "span") {
  return make(tag, { lang: language === "en" ? null : "en" }, text);
}

/** Tell a screen reader, which does not see what a button did. */
function announce(text) {
  const place = document.getElementById("told");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), 50);
}

/** A button that copies what `text()` gives; `what` tells a screen reader which of the page's texts that is. */
function copyButton(what, text, label = "copy") {
  const name = what && say("copy_of", { what });
  const button = make("button", { type: "button", class: "small", "aria-label": name }, say(label));
  button.addEventListener("click", async () => {
    const done = await copy(text());
    const told = say(done ? "copied" : "copy_failed");
    announce(told);
    button.textContent = told;
    setTimeout(() => (button.textContent = say(label)), 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard: an address without https, or a browser that refuses
  }
}

function copyBySelection(text) {
  const area = make("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

/** A button that saves a file which the page holds. */
function downloadButton(name, text) {
  const label = say("download_of", { what: name });
  const button = make("button", { type: "button", class: "small", "aria-label": label }, say("download"));
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([text()], { type: "application/octet-stream" }));
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    announce(say("downloaded", { what: name }));
  });
  return button;
}

/** A line for a shell; special characters are quoted. */
function shellLine(words) {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}

/** A line to copy; on a narrow screen it is broken between words, never inside an option. */
function commandLine(text) {
  const words = text.split(/(?<= )/).map((word) => make("span", {}, word));
  return make("div", { class: "command" }, make("code", {}, words), copyButton(text, () => text));
}
