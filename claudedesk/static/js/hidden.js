/**
 * A page that is hidden for 5 s ends its stream and begins it again when shown: browsers allow six connections an origin.
 * One hidden page a browser may keep its stream, by navigator.locks.
 */

const HIDDEN_FOR = 5_000;
const LOCK = "claudedesk-hidden-stream";

export function pauseWhileHidden(stream) {
  let timer;
  let release = () => {};

  const rest = () => {
    if (!navigator.locks) return stream.close();
    return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      if (!document.hidden) return undefined;
      if (!lock) return stream.close();
      return new Promise((resolve) => (release = resolve));
    });
  };

  const look = () => {
    clearTimeout(timer);
    if (document.hidden) {
      timer = setTimeout(rest, HIDDEN_FOR);
    } else {
      release();
      stream.open();
    }
  };

  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => event.persisted && look());
  if (document.hidden) look();
}
