/** One setting: saved when it changes, and it says so. */

import { announce } from "./announce.js";
import { send } from "./http.js";
import { setTheme } from "./theme.js";

const PAUSE = 700;

export class Setting {
  #row;
  #timer;
  #kept;

  constructor(row) {
    this.#row = row;
    this.#kept = JSON.stringify(this.#value());
    row.addEventListener("change", () => this.#save());
    if (row.querySelector("textarea")) row.addEventListener("input", () => this.#later());
    addEventListener("pagehide", () => this.#timer && this.#save({ keepalive: true }));
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), PAUSE);
  }

  #value() {
    const fields = [...this.#row.querySelectorAll("[data-value]")];
    const [field] = fields;
    switch (this.#row.dataset.kind) {
      case "bool": return field.checked;
      case "int": return field.value === "" ? null : Number(field.value);
      case "lines": return field.value.split("\n").map((line) => line.trim()).filter(Boolean);
      default: return field.type === "radio" ? fields.find((one) => one.checked)?.value : field.value;
    }
  }

  async #save(options = {}) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const value = this.#value();
    if (JSON.stringify(value) === this.#kept) return this.#problem("");
    const wrong = this.#row.querySelector("[data-value]:invalid")?.validationMessage;
    if (wrong) return this.#problem(wrong);
    try {
      await send("PUT", `/settings/values/${encodeURIComponent(this.#row.dataset.setting)}`, { value }, options);
    } catch (error) {
      return this.#problem(error.message);
    }
    this.#kept = JSON.stringify(value);
    if (this.#row.dataset.setting === "appearance.theme") setTheme(value);
    return this.#saved();
  }

  #saved() {
    this.#problem("");
    this.#row.querySelector("[data-saved]").hidden = false;
    announce("Saved");
    this.#timer = null;
  }

  #problem(words) {
    const line = this.#row.querySelector("[data-problem]");
    line.hidden = !words;
    line.textContent = words;
    if (words) {
      line.setAttribute("role", "alert");
      this.#row.querySelector("[data-saved]").hidden = true;
    }
    this.#row.querySelector("[data-value]").setAttribute("aria-invalid", String(Boolean(words)));
  }
}
