/** The one place where HTML of our own server becomes nodes; everything else reaches the page by textContent. */

const asIs = { createHTML: (html) => html };
const policy = globalThis.trustedTypes?.createPolicy("claudedesk", asIs) ?? asIs;

/** Turn HTML that our server rendered into a fragment. */
export function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  return document.importNode(template.content, true);
}

/** Make an element: attributes by name, children as nodes or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Make an icon of our sprite, from the address that an icon of the page already uses. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  const sprite = document.querySelector("svg.icon use")?.getAttribute("href").split("#")[0] ?? "";
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** Hear clicks on anything that matches, now or later. */
export function onClick(selector, handler) {
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest(selector) : null;
    if (target && !target.disabled) handler(target, event);
  });
}
