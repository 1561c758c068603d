/** Times in the reader's own zone and language; the server writes UTC. */

const DAY = 86_400_000;

/** Format every <time data-time> below `root`. */
export function formatTimes(root, now = new Date()) {
  for (const shown of root.querySelectorAll("time[data-time]")) {
    const when = new Date(shown.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    shown.textContent = words(when, now, shown.dataset.time);
    shown.title = when.toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" });
  }
}

/** `clock`: the time, with its day unless today. `smart`: the time today, or else the day. */
export function words(when, now, format) {
  const clock = when.toLocaleTimeString(undefined, { timeStyle: "short" });
  if (when.toDateString() === now.toDateString()) return clock;
  const recent = Math.abs(now - when) < 300 * DAY;
  const day = when.toLocaleDateString(undefined, { day: "numeric", month: "short", ...(recent ? {} : { year: "numeric" }) });
  return format === "clock" ? `${day}, ${clock}` : day;
}
