/** Links to other places: the whole address on hover and focus, a window of their own, nothing handed over. */

export function startLinks() {
  for (const type of ["pointerover", "focusin", "click", "auxclick"]) document.addEventListener(type, dress, true);
}

function dress(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || link.target || !isElsewhere(link)) return;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.title = link.href;
}

function isElsewhere(link) {
  return ["http:", "https:"].includes(link.protocol) && link.origin !== location.origin;
}
