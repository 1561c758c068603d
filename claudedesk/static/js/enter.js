/** After the code was swapped for a session: go on, and leave no code in the history. */

location.replace(document.querySelector("[data-target]").href);
