/** The API key: saved, checked and removed; it leaves the page the moment it is kept. */

import { onClick } from "./dom.js";
import { send } from "./http.js";
import { tell } from "./result.js";

/** Milliseconds to read "The key works" before the page goes on by itself. */
const READING = 1_200;

export function startKey() {
  const form = document.querySelector("[data-key-form]");
  if (!form) return;
  form.addEventListener("submit", (event) => (event.preventDefault(), save(form)));
  form.querySelector("[type=submit]").disabled = false;
  onClick("[data-key-check]", () => tell(form, "Checking the key…", () => send("POST", "/settings/key/check"), "The key works."));
  onClick("[data-key-remove]", () => remove(form));
}

/** A key that could not be checked just now (`ok` false) is kept all the same; the words say why. */
async function save(form) {
  const box = form.elements.key;
  const kept = await tell(form, "Checking the key…", () => send("POST", "/settings/key", { key: box.value }), "The key works and is saved.");
  if (!kept) return box.select();
  box.value = "";
  if (!form.dataset.next) return show(form, kept);
  form.querySelector("[data-go-on]").hidden = false;
  if (kept.ok === false) return box.focus();
  return setTimeout(() => location.assign(form.dataset.next), READING);
}

async function remove(form) {
  const left = await tell(form, "Removing the key…", () => send("DELETE", "/settings/key"), "The key is removed.");
  if (left) show(form, left);
}

/** Let the page say what is true now. */
function show(form, { set, last4, source, sentence }) {
  form.querySelector("[data-key-check]").disabled = !set;
  form.querySelector("[data-key-remove]").disabled = !set || source === "environment";
  form.elements.key.placeholder = set && last4 ? `ends in ${last4}` : "sk-ant-…";
  document.querySelector("[data-key-sentence]").textContent = sentence ?? "";
}
