/** The sidebar: shown or hidden on wide windows (the server remembers), an overlay on narrow ones (nobody remembers). */

import { define } from "./actions.js";
import { onClick } from "./dom.js";
import { send } from "./http.js";

const root = document.documentElement;
const narrow = matchMedia("(max-width: 47.99rem)");

export function startSidebar() {
  const toggle = document.querySelector("[data-sidebar-toggle]");
  if (!toggle) return;
  const show = () => toggle.setAttribute("aria-expanded", String(isOpen()));

  toggle.addEventListener("click", () => flip());
  onClick("[data-sidebar-close]", () => overlay(false));
  define("sidebar", () => flip());
  narrow.addEventListener("change", () => (overlay(false), show()));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || root.dataset.overlay !== "open") return;
    event.preventDefault();
    overlay(false);
  });
  new MutationObserver(show).observe(root, { attributeFilter: ["data-sidebar", "data-overlay"] });
  show();
  showCurrent(document.querySelector("[data-rows]"));
}

/** Scroll the list, and nothing else, so that the current conversation can be seen. */
function showCurrent(list) {
  const row = list.querySelector('[aria-current="page"]');
  if (!row || !list.clientHeight) return;
  const below = row.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  if (below > 0) list.scrollTop += below + list.clientHeight / 2;
}

function isOpen() {
  return narrow.matches ? root.dataset.overlay === "open" : root.dataset.sidebar === "open";
}

function flip() {
  if (narrow.matches) return overlay(!isOpen());
  const open = !isOpen();
  root.dataset.sidebar = open ? "open" : "closed";
  return send("PUT", "/settings/values/appearance.sidebar", { value: open }).catch(() => {});
}

function overlay(open) {
  if (open === (root.dataset.overlay === "open")) return;
  root.dataset.overlay = open ? "open" : "closed";
  document.getElementById("main").inert = open;
  const target = open ? document.querySelector("[data-sidebar-panel] button") : document.querySelector("[data-sidebar-toggle]");
  target?.focus();
}
