/** The theme, changed here or in another window. */

export function startTheme(stream) {
  stream.on("settings", ({ theme }) => theme && setTheme(theme));
}

export function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}
