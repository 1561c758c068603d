/** The command palette: commands and conversations in one list that narrows as one types. */

import { define, run } from "./actions.js";
import { element } from "./dom.js";
import { showKeys } from "./keys.js";
import { narrow } from "./narrow.js";

class Palette {
  #dialog;
  #input;
  #list;
  #entries = [];
  #chosen = 0;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#input = dialog.querySelector("[data-palette-input]");
    this.#list = dialog.querySelector("[data-palette-list]");
    this.#input.addEventListener("input", () => this.#fill());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => this.#take([...this.#list.children].indexOf(event.target.closest("li"))));
    define("palette", () => this.#toggle());
  }

  #toggle() {
    if (this.#dialog.open) return this.#dialog.close();
    document.querySelector("dialog[open]")?.close();
    this.#input.value = "";
    this.#dialog.showModal();
    return this.#fill();
  }

  #fill() {
    this.#entries = narrow(entries(), this.#input.value);
    this.#list.replaceChildren(...this.#entries.map(option));
    this.#list.hidden = !this.#entries.length;
    this.#dialog.querySelector("[data-palette-none]").hidden = this.#entries.length > 0;
    this.#input.setAttribute("aria-expanded", String(this.#entries.length > 0));
    this.#choose(0);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.isComposing || (!step && event.key !== "Enter")) return;
    event.preventDefault();
    const count = this.#entries.length;
    if (step && count) this.#choose((this.#chosen + step + count) % count);
    if (!step) this.#take(this.#chosen);
  }

  #choose(at) {
    this.#chosen = at;
    [...this.#list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    const item = this.#list.children[at];
    if (item) this.#input.setAttribute("aria-activedescendant", item.id);
    else this.#input.removeAttribute("aria-activedescendant");
    item?.scrollIntoView({ block: "nearest" });
  }

  #take(at) {
    const entry = this.#entries[at];
    if (!entry) return;
    this.#dialog.close();
    run(entry.action);
  }
}

function entries() {
  const commands = [...document.querySelectorAll("[data-command]")].map((row) => ({
    label: row.querySelector("dt").textContent,
    action: row.dataset.command,
    hint: row.dataset.keys ? showKeys(row.dataset.keys) : "",
  }));
  const links = [...document.querySelectorAll("nav[aria-label=Main] a, [data-rows] [data-row] a")].map((link) => ({
    label: link.textContent.trim(),
    action: link.getAttribute("href"),
    hint: "",
  }));
  return [...commands.filter((command) => command.action !== "palette"), ...links];
}

function option({ label, hint }, at) {
  const item = element("li", { role: "option", id: `palette-${at}`, "aria-selected": "false" }, element("span", { dir: "auto" }, label));
  if (hint) item.append(element("kbd", {}, hint));
  return item;
}

export function startPalette() {
  const dialog = document.getElementById("palette");
  if (dialog) new Palette(dialog);
}
