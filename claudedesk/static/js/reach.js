/** Bring the message that the address names onto the page: only the last turns are there at first. */

import { attempt } from "./alerts.js";
import { send } from "./http.js";

const PAGES = 200;

export async function reach(transcript, chat, hash) {
  if (!hash.startsWith("#m-")) return null;
  const find = () => document.getElementById(hash.slice(1));
  for (let page = 0; page < PAGES && !find(); page += 1) {
    const url = chat.querySelector("[data-earlier-url]")?.dataset.earlierUrl;
    const html = url && (await attempt(() => send("GET", url), { key: "earlier" }));
    if (!html) return null;
    transcript.prepend(html);
  }
  return find();
}
