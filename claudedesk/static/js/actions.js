/** The actions by name: what the palette, the shortcuts and the menus run. A page defines those that it can do. */

const actions = new Map([
  ["new-chat", () => location.assign("/chat/")],
  ["search-history", () => location.assign("/history/#search")],
  ["settings", () => location.assign("/settings/")],
]);

export function define(name, action) {
  actions.set(name, action);
}

/** Run an action; a name that begins with `/` is a page of ours. Returns whether there was one. */
export function run(name) {
  if (/^\/(?!\/)/.test(name)) location.assign(name);
  else if (actions.has(name)) actions.get(name)();
  else return false;
  return true;
}
