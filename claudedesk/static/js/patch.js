/** Patches of a reply's body, as docs/architecture.md words them: pure DOM, no network, no clock. */

import { fragment } from "./dom.js";

const quote = (value) => CSS.escape(String(value));

/** Apply one op {part, key, parent, html | node}; returns false when its part is not there. */
export function applyOp(body, op) {
  const part = findPart(body, op.part);
  if (isPart(op)) return put(part, op, () => appendPart(body, op));
  if (!part) return false;
  return put(findBlock(part, op.key), op, () => findItems(part, op.parent)?.append(nodeOf(op)));
}

/** The element that an op would replace, or null when it appends. */
export function targetOf(body, op) {
  const part = findPart(body, op.part);
  return part && !isPart(op) ? findBlock(part, op.key) : part;
}

/** The ops that make `body` what `fresh` (a fragment of parts) is, leaving alone what is equal already. */
export function difference(body, fresh) {
  return [...fresh.children].flatMap((part) => partDifference(body, part));
}

function partDifference(body, fresh) {
  const number = fresh.dataset.part;
  const old = findPart(body, number);
  if (old?.isEqualNode(fresh)) return [];
  const same = old && old.dataset.kind === fresh.dataset.kind && old.tagName === fresh.tagName;
  const items = findItems(fresh, null);
  if (!same || !items) return [{ part: number, key: null, node: fresh }];
  const blocks = [...items.children].filter((block) => block.dataset.key !== undefined);
  const keys = new Set(blocks.map((block) => block.dataset.key));
  const gone = [...findItems(old, null).children].filter((block) => !keys.has(block.dataset.key));
  const changed = blocks.filter((block) => !findBlock(old, block.dataset.key)?.isEqualNode(block));
  const op = (key, node) => ({ part: number, key, parent: null, node });
  return [
    ...gone.filter((block) => block.dataset.key !== undefined).map((block) => op(block.dataset.key, null)),
    ...changed.map((block) => op(block.dataset.key, block)),
  ];
}

function put(old, op, append) {
  if (op.html === null || op.node === null) old?.remove();
  else if (old) replace(old, nodeOf(op));
  else append();
  return true;
}

/** Replace, keeping what the reader did to the old one: opened, scrolled sideways, focused. */
function replace(old, fresh) {
  if (!fresh) return;
  if (old.open) fresh.setAttribute("open", "");
  if (old.dataset.wrap !== undefined) fresh.dataset.wrap = "";
  const sideways = [...old.querySelectorAll("pre, .table")].map((box) => box.scrollLeft);
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  old.replaceWith(fresh);
  if (sideways.some(Boolean)) fresh.querySelectorAll("pre, .table").forEach((box, at) => (box.scrollLeft = sideways[at] ?? 0));
  if (focused) fresh.querySelector(`[aria-label="${quote(focused)}"]`)?.focus({ preventScroll: true });
}

function appendPart(body, op) {
  const later = [...body.children].find((part) => Number(part.dataset.part) > Number(op.part));
  body.insertBefore(nodeOf(op), later ?? null);
}

function isPart(op) {
  return op.key === null || op.key === undefined;
}

function nodeOf(op) {
  return op.node ?? fragment(op.html).firstElementChild;
}

function findPart(body, part) {
  return body.querySelector(`:scope > [data-part="${quote(part)}"]`);
}

function findBlock(part, key) {
  return part.querySelector(`[data-key="${quote(key)}"]`);
}

function findItems(part, parent) {
  const marked = `[data-items="${quote(parent ?? "")}"]`;
  return part.matches(marked) ? part : part.querySelector(marked);
}
