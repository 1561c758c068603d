/** Before the first paint: the page stands at its end, and times are the reader's own. Nothing may jump afterwards. */

import { formatTimes } from "./time.js";

formatTimes(document);
if (document.querySelector("[data-transcript]") && !location.hash) {
  document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
}
