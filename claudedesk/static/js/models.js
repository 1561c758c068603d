/** Settings: fetch the list of models again. */

import { attempt } from "./alerts.js";
import { announce } from "./announce.js";
import { onClick } from "./dom.js";
import { send } from "./http.js";

export function startModels() {
  onClick("[data-models-refresh]", async (button) => {
    button.disabled = true;
    const worked = await attempt(async () => {
      await send("POST", "/settings/models");
      return true;
    }, { key: "models" });
    button.disabled = false;
    if (!worked) return;
    announce("The list of models is fresh.");
    location.reload();
  });
}
