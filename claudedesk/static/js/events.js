/** The stream of what happens: one fetch that is read on and on, and begun again when it breaks. */

import { clearAlert, showAlert } from "./alerts.js";
import { headers } from "./http.js";
import { takeSlot } from "./slots.js";
import { backoff, EventParser } from "./sse.js";

const PATIENCE = 3;
const WORDS = {
  lost: "claudedesk does not answer. Trying again; what you write here is not lost.",
  door: "This window is not signed in any more. Open claudedesk again from its icon or with “claudedesk open”.",
};

export class Stream {
  #url;
  #handlers = new Map();
  #controller = null;
  #failures = 0;

  constructor(url) {
    this.#url = url;
    this.on("superseded", () => this.close());
    addEventListener("focus", () => this.open());
  }

  /** Hear an event. Events wait for the handler of the one before, so that a handler may fetch. */
  on(name, handler) {
    this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), handler]);
  }

  open() {
    if (this.#controller) return;
    this.#controller = new AbortController();
    this.#run(this.#controller.signal);
  }

  close() {
    this.#controller?.abort();
    this.#controller = null;
  }

  async #run(signal) {
    await takeSlot(signal, () => this.close());
    while (!signal.aborted) {
      let words = WORDS.lost;
      try {
        words = await this.#read(signal);
      } catch (error) {
        if (!signal.aborted && !(error instanceof TypeError)) console.error(error);
      }
      if (signal.aborted) return;
      if (this.#failures >= PATIENCE) showAlert(words, { key: "stream" });
      await pause(backoff(this.#failures), signal);
      this.#failures += 1;
    }
  }

  async #read(signal) {
    const response = await fetch(this.#url, { headers: headers(), signal, cache: "no-store" });
    if (response.status === 401 || response.status === 403) return WORDS.door;
    if (!response.ok) return WORDS.lost;
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      for (const event of parser.push(piece.value)) await this.#tell(event, signal);
    }
    return WORDS.lost;
  }

  async #tell({ name, data }, signal) {
    if (signal.aborted) return;
    if (name === "hello") {
      this.#failures = 0;
      clearAlert("stream");
    }
    for (const handler of this.#handlers.get(name) ?? []) {
      try {
        await handler(JSON.parse(data));
      } catch (error) {
        console.error(`event ${name}`, error);
      }
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
