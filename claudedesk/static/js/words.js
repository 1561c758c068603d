/** Words for numbers, pure. */

/** `8 s`, `2 min 5 s`, `1 h 2 min`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** Where the seconds stand in a status: "Waiting (rate limit)" → ["Waiting", "(rate limit)"]. */
export function splitPhase(text) {
  const at = text.indexOf(" (");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
