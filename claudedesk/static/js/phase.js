/** "Reply status": the words come from the server, the seconds tick here. Screen readers hear words, not seconds. */

import { element } from "./dom.js";
import { duration, splitPhase } from "./words.js";

const ENDINGS = {
  complete: "Complete",
  stopped: "Stopped",
  truncated: "Cut off",
  refused: "Refused",
  failed: "Failed",
};

export class Phases {
  #running = new Map();
  #timer = null;

  /** Show a phase {text, since, until} in the article's status line. */
  show(article, { text = "", since = null, until = null }) {
    const line = article.querySelector("[data-phase]");
    if (!line) return;
    this.#running.set(line, { since, until, at: performance.now() });
    write(line, text);
    this.#tick();
    this.#timer ??= setInterval(() => this.#tick(), 1_000);
  }

  /** Say how it ended; the line is then for screen readers only. */
  end(article, status) {
    const line = article.querySelector("[data-phase]");
    if (!line) return;
    this.#running.delete(line);
    line.textContent = ENDINGS[status] ?? "";
  }

  #tick() {
    for (const [line, clock] of this.#running) {
      if (!line.isConnected) this.#running.delete(line);
      const seconds = line.querySelector("[data-seconds]");
      if (seconds) seconds.textContent = words(clock);
    }
    if (!this.#running.size) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}

function words({ since, until, at }) {
  const passed = (performance.now() - at) / 1_000;
  if (until !== null) return ` ${duration(Math.ceil(until - passed))}`;
  return since === null ? "" : ` ${duration(since + passed)}`;
}

function write(line, text) {
  const [before, after] = splitPhase(text);
  const shown = line.dataset.words;
  if (shown === text && line.querySelector("[data-seconds]")) return;
  line.dataset.words = text;
  line.replaceChildren(
    element("span", {}, before, element("span", { "data-seconds": "", "aria-hidden": "true" }), after ? ` ${after}` : ""),
  );
}
