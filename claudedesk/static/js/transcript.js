/** The transcript: events become turns, patches, phases and endings. */

import { announce, spoken } from "./announce.js";
import { fragment } from "./dom.js";
import { Hold } from "./hold.js";
import { send } from "./http.js";
import { difference } from "./patch.js";
import { Phases } from "./phase.js";
import { placeTurns, prependTurns } from "./placing.js";
import { formatTimes } from "./time.js";

export class Transcript {
  #root;
  #conversation;
  #hold = new Hold();
  #phases = new Phases();

  constructor(root, conversation, stream) {
    this.#root = root;
    this.#conversation = conversation;
    stream.on("hello", (data) => this.#hello(data));
    stream.on("snapshot", (data) => this.#snapshot(data));
    stream.on("block", (data) => this.#patch(data.reply, data.ops));
    stream.on("phase", (data) => this.#phase(data));
    stream.on("done", (data) => this.#done(data));
    stream.on("turns", (data) => data.conversation === conversation && this.place(data.html, data.after, hasChanged));
  }

  /** Put turns after the message `after` (null: in place of all); what is here already stays. */
  place(html, after, replaces = () => false) {
    const anchor = after ? this.#turn(after) : null;
    if (after && !anchor) return this.refresh();
    return placeTurns(this.#root, dressed(html), anchor, replaces);
  }

  /** Put earlier turns on top. */
  prepend(html) {
    prependTurns(this.#root, dressed(html));
  }

  /** Fetch the last turns again, as what is here may have missed something; earlier ones stay. */
  async refresh() {
    const url = `/chat/${this.#conversation}/turns`;
    const fresh = dressed(await send("GET", url, undefined, { signal: AbortSignal.timeout(10_000) }));
    const first = document.getElementById(fresh.querySelector(".turn")?.id ?? "");
    const anchor = first?.previousElementSibling?.matches(".turn") ? first.previousElementSibling : null;
    placeTurns(this.#root, fresh, anchor, (here, other) => !(isRunning(here) && isRunning(other)));
  }

  async #hello({ conversation, leaf, running }) {
    if (conversation && conversation !== this.#conversation) return;
    const last = [...this.#root.querySelectorAll(".turn")].at(-1)?.dataset.turn ?? null;
    const open = [...this.#root.querySelectorAll("[data-running]")].map((turn) => turn.dataset.turn);
    const differs = open.some((reply) => !running.includes(reply)) || running.some((reply) => !open.includes(reply));
    if (leaf && (leaf !== last || differs)) await this.refresh();
  }

  #snapshot({ reply, html, phase }) {
    const article = this.#turn(reply);
    if (!article) return;
    if (!isRunning(article)) wake(article);
    this.#hold.apply(bodyOf(article), difference(bodyOf(article), fragment(html)));
    if (phase) this.#phase({ reply, ...phase });
  }

  #patch(reply, ops) {
    const article = this.#turn(reply);
    if (article) this.#hold.apply(bodyOf(article), ops);
  }

  #phase({ reply, status, ...phase }) {
    const article = this.#turn(reply);
    if (!article || !isRunning(article)) return;
    if (status && status !== "queued") article.querySelector("[data-stop-reply]")?.closest("[data-foot] > *")?.remove();
    if (status) article.dataset.status = status;
    this.#phases.show(article, phase);
  }

  #done({ reply, status, ops, foot }) {
    const article = this.#turn(reply);
    if (!article) return;
    this.#hold.apply(bodyOf(article), ops ?? []);
    article.dataset.status = status;
    delete article.dataset.running;
    article.removeAttribute("aria-busy");
    article.querySelector("[data-foot]").replaceWith(dressed(foot));
    this.#phases.end(article, status);
    announce(`Claude: ${spoken(bodyOf(article))}`);
  }

  #turn(id) {
    const found = document.getElementById(`m-${id}`);
    return found && this.#root.contains(found) ? found : null;
  }
}

function dressed(html) {
  const fresh = fragment(html);
  formatTimes(fresh);
  return fresh;
}

/** A reply that waited for a click goes on. */
function wake(article) {
  article.dataset.running = "";
  article.setAttribute("aria-busy", "true");
  article.querySelector("[data-foot]").replaceChildren();
}

function isRunning(article) {
  return "running" in article.dataset;
}

/** A running turn stays: its `done` is still to come. */
function hasChanged(here, fresh) {
  return !isRunning(here) && here.dataset.status !== fresh.dataset.status;
}

function bodyOf(article) {
  return article.querySelector("[data-body]");
}
