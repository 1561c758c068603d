/** The instructions of one conversation, in a dialog: saved while one writes, or sent with the first message. */

import { attempt } from "./alerts.js";
import { announce } from "./announce.js";
import { send } from "./http.js";

const PAUSE = 600;

export function startInstructions(chat) {
  const dialog = document.querySelector("[data-instructions]");
  const box = dialog.querySelector("[data-instructions-text]");
  const saved = dialog.querySelector("[data-saved]");
  let kept = box.value;
  let timer;

  const save = async () => {
    clearTimeout(timer);
    const instructions = box.value;
    if (instructions === kept || chat.dataset.exists !== "true") return;
    const worked = await attempt(() => send("PATCH", `/chat/${chat.dataset.conversation}`, { instructions }), { key: "instructions" });
    if (!worked) return;
    kept = instructions;
    saved.hidden = false;
    announce("Saved");
  };

  document.querySelector("[data-instructions-open]").addEventListener("click", () => {
    saved.hidden = true;
    dialog.showModal();
    box.focus();
  });
  box.addEventListener("input", () => {
    saved.hidden = true;
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  });
  dialog.addEventListener("close", save);
}

/** What a first message takes along; a conversation that exists has its own. */
export function firstInstructions(chat) {
  return chat.dataset.exists === "true" ? {} : { instructions: document.querySelector("[data-instructions-text]").value };
}
