/** Keyboard shortcuts, read from the one table of commands that the help dialog shows. */

import { define, run } from "./actions.js";
import { onClick } from "./dom.js";
import { matches, parseKeys, showKeys } from "./keys.js";

export function startShortcuts() {
  const table = [...document.querySelectorAll("[data-command]")]
    .filter((row) => row.dataset.keys)
    .map((row) => ({ action: row.dataset.command, keys: parseKeys(row.dataset.keys), row }));
  for (const { row } of table) row.querySelector("kbd").textContent = showKeys(row.dataset.keys);

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const found = table.find(({ keys }) => matches(keys, event));
    const inDialog = document.querySelector("dialog[open]");
    if (!found || (inDialog && found.keys.key === "escape")) return;
    if (run(found.action)) event.preventDefault();
  });
  onClick("[data-act]", (button) => run(button.dataset.act));
  define("shortcuts", () => toggle(document.getElementById("shortcuts")));
}

function toggle(dialog) {
  if (dialog.open) return dialog.close();
  document.querySelector("dialog[open]")?.close();
  return dialog.showModal();
}
