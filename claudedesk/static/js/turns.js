/** The buttons of a turn, and Stop. */

import { attempt } from "./alerts.js";
import { announce } from "./announce.js";
import { onClick } from "./dom.js";
import { send } from "./http.js";
import { define } from "./actions.js";

export function startTurns(transcript, follow) {
  const place = (html, after) => transcript.place(html, after);

  onClick("[data-stop]", stopRunning);
  onClick("[data-stop-reply]", (button) => stop(button.dataset.stopReply));
  onClick("[data-resume]", (button) => once(button, () => send("POST", `/chat/replies/${button.dataset.resume}/resume`)));
  onClick("[data-retry]", (button) => once(button, () => retry(button, place, follow)));
  onClick("[data-show]", (button) => once(button, () => show(button, place)));
  onClick("[data-earlier-url]", (button) => once(button, async () => transcript.prepend(await send("GET", button.dataset.earlierUrl))));
  define("stop", () => document.querySelector("[data-running]") && stopRunning());
}

/** Stop the reply that is being written; one that waits behind it has its own button. */
function stopRunning() {
  const running = [...document.querySelectorAll("[data-running]")];
  const first = running.find((turn) => turn.dataset.status !== "queued") ?? running[0];
  return first && stop(first.dataset.turn);
}

async function stop(reply) {
  const line = document.querySelector(`#m-${CSS.escape(reply)} [data-phase]`);
  if (line) line.textContent = "Stopping";
  await attempt(() => send("POST", `/chat/replies/${reply}/stop`), { key: "stop" });
}

async function retry(button, place, follow) {
  const turn = button.closest(".turn");
  const model = document.querySelector("[data-model]")?.value;
  const body = { client_id: crypto.randomUUID(), fresh: "fresh" in button.dataset, ...(model && { model }) };
  const sent = await send("POST", `/chat/replies/${button.dataset.retry}/retry`, body);
  place(sent.html, parentOf(turn));
  follow.toEnd();
  document.querySelector("[data-composer] textarea")?.focus();
  announce("Trying again");
}

async function show(button, place) {
  const turn = button.closest(".turn");
  const label = button.getAttribute("aria-label");
  const { html } = await send("POST", `/chat/messages/${button.dataset.show}/show`);
  place(html, parentOf(turn));
  const fresh = document.getElementById(`m-${button.dataset.show}`);
  const again = fresh?.querySelector(`[aria-label="${label}"]:enabled`) ?? fresh?.querySelector("[data-show]");
  again?.focus({ preventScroll: true });
  announce(`Version ${fresh?.querySelector(".versions span")?.textContent ?? ""}`);
}

function parentOf(turn) {
  return turn.previousElementSibling?.dataset.turn ?? null;
}

async function once(button, action) {
  button.disabled = true;
  await attempt(action, { key: "turn" });
  button.disabled = false;
}
