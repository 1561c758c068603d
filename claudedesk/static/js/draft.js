/** A draft on the server: saved while one writes, one request at a time, and at once when the page goes away. */

import { send } from "./http.js";

const PAUSE = 400;

export class Draft {
  #url;
  #saved;
  #text;
  #timer;
  #busy = false;

  constructor(url, text) {
    this.#url = url;
    this.#saved = this.#text = text;
    document.addEventListener("visibilitychange", () => document.hidden && this.#flush());
    addEventListener("pagehide", () => this.#flush());
  }

  keep(text) {
    this.#text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), PAUSE);
  }

  /** The text was sent: what is left is the draft, whatever was on its way. */
  replace(text) {
    this.#saved = null;
    this.#text = text;
    clearTimeout(this.#timer);
    this.#save();
  }

  async #save() {
    if (this.#busy || this.#text === this.#saved) return;
    const text = this.#text;
    this.#busy = true;
    try {
      await send("PUT", this.#url, { text });
      if (this.#saved !== null || text === this.#text) this.#saved = text;
    } catch {
      this.#timer = setTimeout(() => this.#save(), 5_000);
    } finally {
      this.#busy = false;
    }
    if (this.#saved === text) this.#save();
  }

  #flush() {
    if (this.#text === this.#saved) return;
    clearTimeout(this.#timer);
    this.#saved = this.#text;
    send("PUT", this.#url, { text: this.#text }, { keepalive: true }).catch(() => (this.#saved = null));
  }
}
