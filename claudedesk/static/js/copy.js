/** Copy a message's source or a code block's text; wrap long lines of code. */

import { showAlert } from "./alerts.js";
import { announce } from "./announce.js";
import { define } from "./actions.js";
import { onClick } from "./dom.js";
import { send } from "./http.js";

const FAILED = "The clipboard could not be reached. Select the text and copy it with the keyboard.";

export function startCopy() {
  onClick("[data-copy]", (button) => copy(button, () => sourceOf(button.dataset.copy)));
  onClick('[data-action="copy-code"]', (button) => copy(button, () => button.closest("figure").querySelector("pre").textContent));
  onClick('[data-action="wrap"]', (button) => {
    const wrapped = button.closest("figure").toggleAttribute("data-wrap");
    button.setAttribute("aria-pressed", String(wrapped));
  });
  define("copy-last", () => [...document.querySelectorAll('[data-role="assistant"] [data-copy]')].at(-1)?.click());
}

async function sourceOf(message) {
  return (await send("GET", `/chat/messages/${message}/text`)).text;
}

async function copy(button, text) {
  try {
    await write(text());
    done(button);
  } catch (error) {
    showAlert(error.status ? error.message : FAILED, { key: "copy" });
  }
}

/** Safari wants the promise inside the click; windows without the clipboard API get the old command. */
async function write(text) {
  try {
    if (text instanceof Promise && globalThis.ClipboardItem) {
      const blob = text.then((value) => new Blob([value], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    } else {
      await navigator.clipboard.writeText(await text);
    }
  } catch {
    writeBySelection(await text);
  }
}

function writeBySelection(text) {
  const focused = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "visually-hidden";
  document.body.append(box);
  box.select();
  const worked = document.execCommand("copy");
  box.remove();
  focused?.focus({ preventScroll: true });
  if (!worked) throw new Error(FAILED);
}

function done(button) {
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  announce("Copied");
  if (!before || button.dataset.copied !== undefined) return;
  button.dataset.copied = "";
  use.setAttribute("href", before.replace(/#.*/, "#check"));
  setTimeout(() => (use.setAttribute("href", before), delete button.dataset.copied), 1_500);
}
