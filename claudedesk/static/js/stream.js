/** The page's one stream. Handlers are set while the modules run; it opens when all of them have. */

import { Stream } from "./events.js";
import { pauseWhileHidden } from "./hidden.js";

const conversation = document.querySelector("[data-chat]")?.dataset.conversation;

export const stream = new Stream(conversation ? `/events?conversation=${encodeURIComponent(conversation)}` : "/events");

document.addEventListener("DOMContentLoaded", () => {
  stream.open();
  pauseWhileHidden(stream);
});
