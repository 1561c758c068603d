/** First run: paste a key, use the key of the environment, or begin with the offline demo. */

import { send } from "./http.js";
import { startKey } from "./key.js";
import { tell } from "./result.js";

startKey();
begin("[data-env-key]", "[data-env-use]", "Checking the key…", () => send("POST", "/settings/key/check"));
begin("[data-demo-start]", "[data-demo-use]", "Starting the demo…", () => send("PUT", "/settings/demo", { enabled: true }));

function begin(place, button, words, action) {
  const box = document.querySelector(place);
  box?.querySelector(button).addEventListener("click", async () => {
    if (await tell(box, words, action, "Ready.")) location.assign(box.dataset.next);
  });
}
