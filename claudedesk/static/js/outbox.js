/** The id of a text on its way, pure: the same text keeps its id until the server has answered, so that it is never sent twice. */

export class Outbox {
  #text = null;
  #id = null;

  idFor(text) {
    if (this.#text !== text) {
      this.#text = text;
      this.#id = crypto.randomUUID();
    }
    return this.#id;
  }

  answered() {
    this.#text = null;
  }
}

/** What is left in the box when `sent` has gone: the rest, if more was typed meanwhile. */
export function remainder(value, sent) {
  return value.startsWith(sent) ? value.slice(sent.length).trimStart() : value;
}
