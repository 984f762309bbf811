// The theme hides the text of its sidebar's folding arrows from assistive technology: each <summary> gets a name.
"use strict";

for (const summary of document.querySelectorAll("nav summary:not([aria-label])")) {
  const link = summary.closest("li")?.querySelector(":scope > a");
  summary.setAttribute("aria-label", `Pages under ${link ? link.textContent.trim() : "this one"}`);
}

// {filter-rows}: a field that hides, of the section around it, the rows and sections that lack one of the words typed.
// What is found by a word in a section's title is shown whole. Without scripts there is no field, and all is shown.
for (const [index, place] of document.querySelectorAll(".filter-rows").entries()) {
  const scope = place.closest("section");
  const sections = [...scope.querySelectorAll("section")];
  const entries = entriesOf(scope, sections);

  const field = document.createElement("input");
  field.type = "search";
  field.id = `filter-rows-${index}`;
  field.autocomplete = "off";
  const label = document.createElement("label");
  label.htmlFor = field.id;
  label.textContent = `Filter ${place.dataset.what}`;
  const count = document.createElement("output");
  count.htmlFor = field.id;
  place.append(label, field, count);

  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of entries) {
      entry.element.hidden = !words.every((word) => entry.text.includes(word));
      shown += !entry.element.hidden;
    }
    for (const section of sections) {
      const own = entries.filter((entry) => section.contains(entry.element));
      if (own.length && !own.some((entry) => entry.element === section)) {
        section.hidden = own.every((entry) => entry.element.hidden);
      }
    }
    count.textContent = words.length ? `${shown} of ${entries.length}` : `${entries.length}`;
  };
  field.addEventListener("input", filter);
  // A link to what is hidden shows it.
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.closest("[hidden]") && scope.contains(target)) {
      field.value = "";
      filter();
      target.scrollIntoView();
    }
  });
  filter();
}

// What is filtered: rows of tables, by their text and the title of their section; entries without a table, whole.
function entriesOf(scope, sections) {
  const rows = [...scope.querySelectorAll("tbody tr")].map((row) => ({
    element: row,
    text: `${titleOf(row.closest("section"), scope)} ${row.textContent}`.toLowerCase(),
  }));
  const whole = sections
    .filter((section) => section.querySelector(":scope > :is(h2, h3)") && !section.querySelector("tbody"))
    .map((section) => ({ element: section, text: section.textContent.toLowerCase() }));
  return [...rows, ...whole];
}

function titleOf(section, scope) {
  return section === scope ? "" : (section.querySelector("h1, h2, h3, h4")?.textContent ?? "");
}

// An index of the reference has the anchors of all that once stood on it, each around a link to the entry's own page. An
// old address goes on there: also that of a field, which begins with its class's, and of a heading, without "setting-".
{
  const moved = [...document.querySelectorAll(".bd-article span[id] > a")]
    .filter((link) => link.hash === `#${link.parentElement.id}`)
    .sort((one, other) => other.hash.length - one.hash.length);
  const goOn = () => {
    const asked = decodeURIComponent(location.hash.slice(1));
    const here = document.getElementById(asked);
    if (!asked || (here && !moved.some((link) => link.parentElement === here))) return;
    for (const anchor of [asked, `setting-${asked}`, `server-${asked}`]) {
      const link = moved.find((each) => `${anchor}-`.startsWith(`${each.hash.slice(1)}-`));
      if (link) {
        location.replace(Object.assign(new URL(link.href), { hash: anchor }));
        return;
      }
    }
  };
  if (moved.length) {
    goOn();
    window.addEventListener("hashchange", goOn);
  }
}

// Off unless the build names an address for it (docs/_ext/feedback.py): that a page was read to its expected results is
// counted once, without a cookie, an identifier or anything about the reader, and not for who asks not to be tracked.
{
  const address = document.querySelector('meta[name="analytics"]')?.content;
  const results = document.getElementById("expected-results");
  if (address && results && navigator.doNotTrack !== "1" && !navigator.globalPrivacyControl) {
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      navigator.sendBeacon(address, JSON.stringify({ page: location.pathname, reached: "expected-results" }));
    }).observe(results);
  }
}

// On a phone, a table that would scroll sideways is shown as a list, a row below the other. To assistive technology it
// stays a table, which the roles say, since other boxes than a table's own have none.
{
  const narrow = matchMedia("(max-width: 767px)");
  const tables = document.querySelectorAll(".bd-article table:has(> thead)");
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
  const wide = (table) => {
    for (let box = table; box && !box.matches("article"); box = box.parentElement) {
      if (box.scrollWidth > box.clientWidth + 1) return true;
    }
    return false;
  };
  const fit = () => {
    for (const table of tables) table.classList.remove("as-list");
    if (!narrow.matches) return;
    for (const table of tables) {
      if (table.querySelector("[colspan], [rowspan]") || !wide(table)) continue;
      const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
      table.setAttribute("role", "table");
      for (const [tag, role] of Object.entries(roles)) {
        for (const each of table.querySelectorAll(tag)) each.setAttribute("role", role);
      }
      for (const row of table.querySelectorAll("tbody tr")) {
        for (const [index, cell] of [...row.children].entries()) cell.dataset.column = names[index] ?? "";
      }
      table.classList.add("as-list");
    }
  };
  fit();
  narrow.addEventListener("change", fit);
}
