/** The rows of the sidebar as conversations change, and the walk from one to the next. */

import { define } from "./actions.js";

const TODAY = "Today";

export function startConversations(stream) {
  const list = document.querySelector("[data-rows]");
  if (!list) return;
  const current = document.querySelector("[data-chat]")?.dataset.conversation;
  stream.on("conversation", (data) => {
    update(list, data, data.id === current);
    if (data.id === current) showTitle(data.title);
  });
  document.addEventListener("claudedesk:title", (event) => showTitle(event.detail));
  define("previous-chat", () => walk(list, -1));
  define("next-chat", () => walk(list, 1));
}

/** Fill the conversation's row (a new one if need be) and move it to the top of Today. */
function update(list, { id, title, url, demo, running }, isCurrent) {
  const row = list.querySelector(`[data-row="${CSS.escape(id)}"]`) ?? copyOf(list, "[data-row-template]");
  const link = row.querySelector("a");
  row.dataset.row = id;
  link.href = url;
  link.title = link.textContent = title;
  if (isCurrent) link.setAttribute("aria-current", "page");
  row.querySelector("[data-row-demo]").hidden = !demo;
  row.querySelector("[data-row-running]").hidden = !running;
  const rows = today(list).querySelector("ul");
  if (rows.firstElementChild === row) return;
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  const emptied = row.closest("[data-group]");
  rows.prepend(row);
  focused?.focus({ preventScroll: true });
  if (emptied && !emptied.querySelector("[data-row]")) emptied.remove();
}

function today(list) {
  const here = list.querySelector(`[data-group="${TODAY}"]`);
  if (here) return here;
  const group = copyOf(list, "[data-group-template]");
  group.dataset.group = group.querySelector("h2").textContent = TODAY;
  const pinned = list.querySelector('[data-group="Pinned"]');
  if (pinned) pinned.after(group);
  else list.prepend(group);
  list.querySelector("[data-rows-empty]")?.remove();
  return group;
}

function copyOf(list, selector) {
  return list.querySelector(selector).content.firstElementChild.cloneNode(true);
}

function showTitle(title) {
  const heading = document.querySelector("[data-title]");
  if (!heading || !title) return;
  heading.textContent = title;
  document.title = `${title} · claudedesk`;
}

function walk(list, step) {
  const links = [...list.querySelectorAll("[data-row] a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const next = at < 0 ? links[step > 0 ? 0 : links.length - 1] : links[at + step];
  if (next) location.assign(next.href);
}
