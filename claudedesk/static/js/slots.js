/**
 * How many streams one browser may hold: it has six connections for our address, and pages and Send need some of them.
 * A page that is used takes a slot, from another page if it must; that one takes it back when it is used again.
 */

const SLOTS = 4;

/** Take a slot until `signal` aborts; `lost` is called when another page has taken it. */
export async function takeSlot(signal, lost) {
  if (!navigator.locks) return;
  for (let slot = 0; slot < SLOTS; slot += 1) {
    if (await hold(slot, { ifAvailable: true }, signal, lost)) return;
  }
  await hold(Math.floor(Math.random() * SLOTS), { steal: true }, signal, lost);
}

function hold(slot, options, signal, lost) {
  return new Promise((taken) => {
    const kept = navigator.locks.request(`claudedesk-stream-${slot}`, options, (lock) => {
      taken(lock !== null);
      if (!lock || signal.aborted) return undefined;
      return new Promise((release) => signal.addEventListener("abort", release, { once: true }));
    });
    kept.catch(() => (taken(true), signal.aborted || lost()));
  });
}
