/** What a screen reader hears once, without anything moving on the screen. */

export function announce(words) {
  const region = document.querySelector("[data-announce]");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = words));
}

/** A reply's words as they are to be heard: without its thinking and the buttons of its code. */
export function spoken(body) {
  return [...body.querySelectorAll('[data-kind="text"]')].map((part) => {
    const copy = part.cloneNode(true);
    for (const button of copy.querySelectorAll("figcaption, annotation")) button.remove();
    return copy.textContent.trim();
  }).join("\n");
}
