/** The page follows the end only while the reader is at the end; otherwise "Jump to latest" is offered. */

const NEAR = 32;

export class Follow {
  #page = document.scrollingElement;
  #jump;
  #following = true;
  #last = 0;

  constructor(chat) {
    this.#jump = chat.querySelector("[data-jump]");
    const watch = new ResizeObserver(() => this.#grown());
    watch.observe(chat.querySelector("[data-transcript]"));
    watch.observe(chat.querySelector("[data-dock]"));
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    addEventListener("wheel", (event) => event.deltaY < 0 && this.#leave(), { passive: true });
    this.#jump.addEventListener("click", () => this.toEnd());
  }

  /** Go to a turn and stay there. */
  toTurn(turn) {
    this.#following = false;
    turn.scrollIntoView({ block: "start", behavior: "instant" });
    turn.classList.add("turn-found");
    this.#last = this.#page.scrollTop;
    this.#show();
  }

  toEnd() {
    this.#following = true;
    this.#page.scrollTop = this.#page.scrollHeight;
    this.#last = this.#page.scrollTop;
    this.#show();
  }

  #grown() {
    if (this.#following) this.toEnd();
    else this.#show();
  }

  /** Only a move upwards leaves the end: text that grows between two frames must not look like one. */
  #scrolled() {
    const top = this.#page.scrollTop;
    if (this.#isAtEnd()) this.#following = true;
    else if (top < this.#last - 1) this.#following = false;
    this.#last = top;
    this.#show();
  }

  #leave() {
    if (this.#page.scrollHeight > innerHeight) this.#following = false;
  }

  #isAtEnd() {
    return this.#page.scrollHeight - this.#page.scrollTop - innerHeight < NEAR;
  }

  #show() {
    this.#jump.hidden = this.#following || this.#isAtEnd();
  }
}
