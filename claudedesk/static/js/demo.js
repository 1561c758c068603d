/** Settings: offer the offline demo as a model, or no longer. */

import { announce } from "./announce.js";
import { attempt } from "./alerts.js";
import { send } from "./http.js";

export function startDemo() {
  const row = document.querySelector("[data-demo-setting]");
  const box = row?.querySelector("input");
  box?.addEventListener("change", async () => {
    const saved = await attempt(() => send("PUT", "/settings/demo", { enabled: box.checked }), { key: "demo" });
    if (!saved) return (box.checked = !box.checked);
    row.querySelector("[data-saved]").hidden = false;
    return announce("Saved");
  });
}
