/** Patches that must wait: a block is left alone while it holds the selection or an open <details>. */

import { applyOp, targetOf } from "./patch.js";

export class Hold {
  #waiting = new Map();

  constructor() {
    document.addEventListener("selectionchange", () => this.release());
    document.addEventListener("toggle", () => this.release(), true);
  }

  /** Apply the ops now, except those that touch a held block (and all later ones of that block). */
  apply(body, ops) {
    for (const op of ops) {
      const queue = this.#queue(body);
      const block = blockOf(op);
      if (queue.has(block)) queue.get(block).push(op);
      else if (isHeld(targetOf(body, op))) queue.set(block, [op]);
      else applyOp(body, op);
    }
  }

  /** Apply what waited for blocks that are free again. */
  release() {
    for (const [body, queue] of this.#waiting) {
      for (const [block, ops] of queue) {
        if (isHeld(targetOf(body, ops[0]))) continue;
        queue.delete(block);
        this.apply(body, ops);
      }
      if (!queue.size || !body.isConnected) this.#waiting.delete(body);
    }
  }

  #queue(body) {
    if (!this.#waiting.has(body)) this.#waiting.set(body, new Map());
    return this.#waiting.get(body);
  }
}

/** Which top-level block an op belongs to: `0/3` for the key `3.1` of part 0. */
function blockOf(op) {
  return `${op.part}/${String(op.key ?? "").split(".")[0]}`;
}

function isHeld(node) {
  if (!node) return false;
  if (node.querySelector("details[open]")) return true;
  const selection = getSelection();
  return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(node);
}
