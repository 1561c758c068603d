/** Server-sent events as a pure parser: text in any pieces, whole events out. */

export class EventParser {
  #rest = "";
  #name = "";
  #data = [];

  /** Take the next piece of the stream; return the events that it completed, as {name, data}. */
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") return this.#end();
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #end() {
    const event = this.#data.length ? { name: this.#name || "message", data: this.#data.join("\n") } : null;
    this.#name = "";
    this.#data = [];
    return event;
  }
}

/** How long to wait before the next try, in milliseconds: 0.5 s, doubled up to 10 s. */
export function backoff(failures) {
  return Math.min(10_000, 500 * 2 ** Math.min(failures, 10));
}
