/** The outcome of a request in words, in the [data-result] line beside its button. */

/** Show words below `place`; `good` may be true, false or null (still running). */
export function showResult(place, words, good) {
  const line = place.querySelector("[data-result]");
  line.hidden = false;
  line.setAttribute("role", good === false ? "alert" : "status");
  line.className = `notice${good === null ? "" : good ? " notice-good" : " notice-bad"}`;
  line.textContent = words;
}

/** Run a request with its buttons off: `busy` words first, then what came of it. Returns the answer (its `ok` may be false), or null. */
export async function tell(place, busy, action, success) {
  const buttons = [...place.querySelectorAll("button:enabled")];
  for (const button of buttons) button.disabled = true;
  showResult(place, busy, null);
  try {
    const answer = (await action()) ?? {};
    showResult(place, answer.message ?? success, answer.ok !== false);
    return answer;
  } catch (error) {
    showResult(place, error.message, false);
    return null;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}
