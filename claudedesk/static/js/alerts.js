/** Failures in words, near where the eyes are: above the composer, or at the top of any other page. */

import { element, icon } from "./dom.js";

/** Show an alert; one with the same key takes its place. */
export function showAlert(words, { key = "page" } = {}) {
  const box = document.querySelector("main [data-alerts]") ?? document.querySelector("[data-alerts]");
  const same = find(key);
  if (!box || same?.dataset.words === words) return;
  same?.remove();
  const close = element("button", { class: "button button-plain button-icon button-small", type: "button", "aria-label": "Close this message" }, icon("close"));
  const notice = element("div", { class: "notice notice-bad", role: "alert", "data-alert-key": key, "data-words": words }, icon("warning"), element("div", {}, words), close);
  close.addEventListener("click", () => notice.remove());
  box.append(notice);
}

export function clearAlert(key = "page") {
  find(key)?.remove();
}

/** Run something; what it refuses becomes an alert. Returns its value, or undefined. */
export async function attempt(action, { key = "page" } = {}) {
  try {
    const value = await action();
    clearAlert(key);
    return value;
  } catch (error) {
    showAlert(error.message, { key });
    return undefined;
  }
}

function find(key) {
  return document.querySelector(`[data-alert-key="${CSS.escape(key)}"]`);
}
