/** The composer: sends, keeps the text until the server has it, saves a draft, grows with what is written. */

import { clearAlert, showAlert } from "./alerts.js";
import { Draft } from "./draft.js";
import { send } from "./http.js";
import { firstInstructions } from "./instructions.js";
import { isSendKey } from "./keys.js";
import { Outbox, remainder } from "./outbox.js";

export class Composer {
  #chat;
  #form;
  #box;
  #model;
  #draft;
  #sent;
  #outbox = new Outbox();
  #busy = false;

  constructor(chat, sent) {
    this.#chat = chat;
    this.#sent = sent;
    this.#form = chat.querySelector("[data-composer]");
    this.#box = this.#form.elements.text;
    this.#model = this.#form.elements.model;
    this.#draft = new Draft(`/chat/${chat.dataset.conversation}/draft`, this.#box.value);
  }

  begin() {
    this.#form.addEventListener("submit", (event) => (event.preventDefault(), this.#send()));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("input", () => (this.#draft.keep(this.#box.value), this.#grow()));
    this.#model.addEventListener("change", () => this.#choose());
    this.#box.readOnly = false;
    this.#form.querySelector("[type=submit]").disabled = false;
    this.#box.setSelectionRange(this.#box.value.length, this.#box.value.length);
    this.#grow();
  }

  #key(event) {
    if (!isSendKey(event, this.#form.dataset.sendWith)) return;
    event.preventDefault();
    this.#send();
  }

  async #send() {
    const text = this.#box.value;
    if (this.#busy || !text.trim()) return this.#box.focus();
    this.#busy = true;
    clearAlert("send");
    try {
      const url = `/chat/${this.#chat.dataset.conversation}/messages`;
      const body = { client_id: this.#outbox.idFor(text), text, model: this.#model.value, ...firstInstructions(this.#chat) };
      const sent = await send("POST", url, body);
      this.#outbox.answered();
      this.#box.value = remainder(this.#box.value, text);
      this.#draft.replace(this.#box.value);
      this.#grow();
      this.#sent(sent);
    } catch (error) {
      if (error.status >= 400 && error.status < 500) this.#outbox.answered();
      showAlert(error.message, { key: "send" });
    } finally {
      this.#busy = false;
    }
    return this.#box.focus();
  }

  async #choose() {
    if (this.#chat.dataset.exists !== "true") return;
    try {
      await send("PATCH", `/chat/${this.#chat.dataset.conversation}`, { model: this.#model.value });
      clearAlert("model");
    } catch (error) {
      showAlert(error.message, { key: "model" });
    }
  }

  /** Browsers with `field-sizing` do this alone. */
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#box.style.blockSize = "auto";
    this.#box.style.blockSize = `${this.#box.scrollHeight}px`;
  }
}
