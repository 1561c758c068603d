/** Dialogs: a click on Close or beside the dialog closes it. */

import { onClick } from "./dom.js";

export function startDialogs() {
  onClick("[data-dialog-close]", (button) => button.closest("dialog").close());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("mousedown", (event) => event.target === dialog && dialog.close());
  }
}
