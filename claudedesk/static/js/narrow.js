/** Which entries fit what was typed, pure: every word must occur; those that begin with it come first. */

const LIMIT = 50;

export function narrow(entries, typed) {
  const words = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const fits = entries.filter(({ label }) => words.every((word) => label.toLocaleLowerCase().includes(word)));
  const begins = ({ label }) => (words.length && label.toLocaleLowerCase().startsWith(words[0]) ? 0 : 1);
  return fits.sort((one, other) => begins(one) - begins(other)).slice(0, LIMIT);
}
