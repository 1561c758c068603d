/** History: search as you type; the address follows, so that Back and reload show the same. */

import { attempt } from "./alerts.js";
import { announce } from "./announce.js";
import { fragment } from "./dom.js";
import { send } from "./http.js";
import { formatTimes } from "./time.js";

const PAUSE = 250;

const box = document.querySelector("[data-history-search]");
let timer;
let controller = new AbortController();

box.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
});
if (location.hash === "#search") box.focus();

async function search() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const url = box.value.trim() ? `/history/?q=${encodeURIComponent(box.value)}` : "/history/";
  const html = await attempt(() => send("GET", url, undefined, { signal }).catch((error) => {
    if (!signal.aborted) throw error;
  }), { key: "search" });
  if (signal.aborted || !html) return;
  show(fragment(html));
  history.replaceState(null, "", url);
}

function show(page) {
  const fresh = page.querySelector("[data-history-results]");
  if (!fresh) return;
  formatTimes(fresh);
  document.querySelector("[data-history-results]").replaceWith(fresh);
  announce(fresh.querySelector("h2")?.textContent ?? "");
}
