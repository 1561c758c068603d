/** Keys, pure: what a combination is called and whether an event is it. */

export const isMac = /^(Mac|iP)/.test(globalThis.navigator?.platform ?? "");

/** Read `Mod+Shift+F` (Ctrl and Cmd mean the same as Mod). */
export function parseKeys(words) {
  const parts = words.split(/\+(?=.)/).map((part) => part.trim());
  const key = parts.pop().toLowerCase();
  const has = (...names) => parts.some((part) => names.includes(part.toLowerCase()));
  return { key: NAMES[key] ?? key, mod: has("mod", "ctrl", "cmd"), shift: has("shift"), alt: has("alt", "option") };
}

/** Whether an event is that combination; letters also by their place, for keyboards that write other scripts. */
export function matches(keys, event) {
  const mod = isMac ? event.metaKey : event.ctrlKey;
  if (keys.mod !== mod || keys.alt !== event.altKey) return false;
  const isLetter = /^[a-z]$/.test(keys.key);
  if ((isLetter || keys.key.length > 1) && keys.shift !== event.shiftKey) return false;
  const latin = /^[\x20-\x7e]$/.test(event.key) || event.key.length > 1;
  return event.key.toLowerCase() === keys.key || (isLetter && !latin && event.code === `Key${keys.key.toUpperCase()}`);
}

/** The combination as this system writes it. */
export function showKeys(words) {
  const { key, mod, shift, alt } = parseKeys(words);
  const name = SHOWN[key] ?? (key.length === 1 ? key.toUpperCase() : key);
  const parts = isMac
    ? [alt && "⌥", shift && "⇧", mod && "⌘", name]
    : [mod && "Ctrl", alt && "Alt", shift && "Shift", name];
  return parts.filter(Boolean).join(isMac ? "" : "+");
}

/** Whether a key in the composer sends; never while an input method composes (229: what Safari says then). */
export function isSendKey(event, sendWith) {
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229 || event.altKey) return false;
  const mod = event.ctrlKey || event.metaKey;
  if (sendWith === "ctrl-enter") return mod && !event.shiftKey;
  return !event.shiftKey;
}

const NAMES = { esc: "escape", up: "arrowup", down: "arrowdown", "↑": "arrowup", "↓": "arrowdown", comma: ",", slash: "/" };
const SHOWN = { escape: "Esc", arrowup: "↑", arrowdown: "↓" };
