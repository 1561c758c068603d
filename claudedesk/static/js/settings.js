/** The settings page. */

import { startDemo } from "./demo.js";
import { startKey } from "./key.js";
import { startModels } from "./models.js";
import { Setting } from "./setting.js";

for (const row of document.querySelectorAll("[data-setting]")) new Setting(row);
startKey();
startDemo();
startModels();
