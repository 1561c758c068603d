/** Turns into their places in the transcript: pure DOM. A turn that is here already stays, unless it is said to be replaced. */

/** Put the turns of `fresh` after the element `anchor` (null: in place of all); `replaces(here, fresh)` may say no to what is here. */
export function placeTurns(root, fresh, anchor, replaces) {
  const turns = [...fresh.querySelectorAll(".turn")];
  if (!anchor) {
    root.querySelector("[data-earlier]")?.remove();
    root.prepend(fresh.querySelector("[data-earlier]") ?? "");
  }
  clear(root, anchor, new Set(turns.map((turn) => turn.id)));
  let last = anchor ?? root.querySelector("[data-earlier]");
  for (const turn of turns) last = settle(root, turn, last, replaces);
}

/** Put earlier turns on top, and let the page stand still. */
export function prependTurns(root, fresh) {
  const first = root.querySelector(".turn");
  const before = first?.getBoundingClientRect().top ?? 0;
  root.querySelector("[data-earlier]")?.remove();
  for (const turn of fresh.querySelectorAll(".turn")) if (document.getElementById(turn.id)) turn.remove();
  root.prepend(fresh);
  if (first) document.scrollingElement.scrollTop += first.getBoundingClientRect().top - before;
}

function clear(root, anchor, staying) {
  const first = anchor ? anchor.nextElementSibling : root.firstElementChild;
  for (let next = first; next; ) {
    const turn = next;
    next = next.nextElementSibling;
    if (turn.matches(".turn") && !staying.has(turn.id)) turn.remove();
  }
}

function settle(root, fresh, last, replaces) {
  const here = document.getElementById(fresh.id);
  const turn = here && !replaces(here, fresh) ? here : fresh;
  if (here && here !== turn) here.replaceWith(turn);
  if (turn === last || (turn.isConnected && turn.previousElementSibling === last)) return turn;
  if (last) last.after(turn);
  else root.prepend(turn);
  return turn;
}
