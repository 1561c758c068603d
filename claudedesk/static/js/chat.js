/** The chat page: transcript, composer, turn buttons and what follows the end, tied together. */

import { Composer } from "./composer.js";
import { startCopy } from "./copy.js";
import { Follow } from "./follow.js";
import { startInstructions } from "./instructions.js";
import { reach } from "./reach.js";
import { stream } from "./stream.js";
import { startTitle } from "./title.js";
import { Transcript } from "./transcript.js";
import { startTurns } from "./turns.js";

const chat = document.querySelector("[data-chat]");
const transcript = new Transcript(chat.querySelector("[data-transcript]"), chat.dataset.conversation, stream);
const follow = new Follow(chat);
const composer = new Composer(chat, (sent) => {
  if (chat.dataset.exists !== "true") begin(sent);
  if (!document.getElementById(`m-${sent.reply}`)) transcript.place(sent.html, lastTurn());
  follow.toEnd();
  stream.open();
});
startTurns(transcript, follow);
startCopy();
startInstructions(chat);
startTitle(chat);
composer.begin();
follow.toEnd();
reach(transcript, chat, location.hash).then((turn) => turn && follow.toTurn(turn));

/** The first message makes the conversation: it gets its own address and title. */
function begin({ conversation, title }) {
  chat.dataset.exists = "true";
  history.replaceState(null, "", `/chat/${conversation}`);
  document.querySelector("[data-title-edit]").hidden = false;
  if (title) chat.dispatchEvent(new CustomEvent("claudedesk:title", { bubbles: true, detail: title }));
}

function lastTurn() {
  return [...chat.querySelectorAll(".turn")].at(-1)?.dataset.turn ?? null;
}
