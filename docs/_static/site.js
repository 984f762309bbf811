// The theme hides the text of its sidebar's folding arrows from assistive technology: each <summary> gets a name.
"use strict";

for (const summary of document.querySelectorAll("nav summary:not([aria-label])")) {
  const link = summary.closest("li")?.querySelector(":scope > a");
  summary.setAttribute("aria-label", `Pages under ${link ? link.textContent.trim() : "this one"}`);
}
