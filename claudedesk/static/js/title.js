/** Rename in place: the heading becomes a box; Enter keeps, Esc leaves it. */

import { attempt } from "./alerts.js";
import { send } from "./http.js";

export function startTitle(chat) {
  const heading = document.querySelector("[data-title]");
  const form = document.querySelector("[data-title-form]");
  const edit = document.querySelector("[data-title-edit]");
  const box = form.elements.title;

  const show = (editing) => {
    form.hidden = !editing;
    heading.hidden = edit.hidden = editing;
  };
  const save = async () => {
    if (form.hidden) return;
    const title = box.value.trim();
    show(false);
    if (!title || title === heading.textContent) return;
    await attempt(async () => {
      await send("PATCH", `/chat/${chat.dataset.conversation}`, { title });
      chat.dispatchEvent(new CustomEvent("claudedesk:title", { bubbles: true, detail: title }));
    }, { key: "title" });
  };

  edit.addEventListener("click", () => {
    box.value = heading.textContent;
    show(true);
    box.select();
  });
  form.addEventListener("submit", (event) => (event.preventDefault(), save(), edit.focus()));
  box.addEventListener("blur", save);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    show(false);
    edit.focus();
  });
}
