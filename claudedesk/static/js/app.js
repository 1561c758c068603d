/** What every page does: a table of contents. Each behaviour finds its own markup by data attributes. */

import { startConversations } from "./conversations.js";
import { startDialogs } from "./dialogs.js";
import { startLinks } from "./links.js";
import { startPalette } from "./palette.js";
import { startShortcuts } from "./shortcuts.js";
import { startSidebar } from "./sidebar.js";
import { stream } from "./stream.js";
import { startTheme } from "./theme.js";

startConversations(stream);
startTheme(stream);
startDialogs();
startLinks();
startSidebar();
startPalette();
startShortcuts();
