// The search field, in the window that Ctrl+K opens and on the page of the search: it shows as one types which pages
// answer. What it looks through is loaded when somebody begins to search. Without scripts there is no field.
"use strict";

{
  const SHOWN = 8;
  // From where this script was loaded: 404.html is shown at any depth.
  const root = new URL("..", document.currentScript.src).href;
  const scripts = ["_static/vendor/minisearch.js", "_static/search-ranking.js", "search-data.js"];
  const onPage = document.querySelector(".search-page form.bd-search");
  let loading = null;

  // As script elements, one after the other: they load from a folder of files too, where a request would be refused.
  const load = () => {
    loading ??= scripts
      .reduce((before, path) => before.then(() => added(path)), Promise.resolve())
      .then(() => new SiteSearch.Index(SEARCH_DATA, MiniSearch));
    return loading;
  };

  const added = (path) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = root + path;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${path} was not loaded`));
    document.head.append(script);
  });

  const element = (name, text = "", className = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const link = (page, anchor, text) => {
    const made = element("a", text);
    made.href = `${root}${page}.html${anchor ? `#${anchor}` : ""}`;
    return made;
  };

  const answer = ({ page, section }) => {
    const item = element("li");
    item.append(link(page.page, "", page.title));
    if (section) item.append(" ", link(page.page, section.anchor, section.heading));
    item.append(element("p", page.description));
    return item;
  };

  const name = ({ name: text, page, anchor }) => {
    const item = element("li", "", "search-name");
    const place = link(page, anchor, "");
    place.append(element("code", text));
    item.append(place);
    return item;
  };

  function attach(form, limit) {
    const field = form.querySelector("input[name=q]");
    const results = element("div", "", "search-results");
    const said = element("p", "", "search-said");
    said.setAttribute("role", "status");
    results.append(said);
    form.after(results);

    const show = (index) => {
      const typed = field.value.trim();
      results.replaceChildren(said);
      said.textContent = "";
      if (!typed) return;
      const pages = index.find(typed);
      const names = index.named(typed);
      const exact = names.filter((each) => each.rank < 2);
      said.textContent = pages.length || names.length
        ? `${pages.length} ${pages.length === 1 ? "page" : "pages"}`
        : `Nothing was found for “${typed}”. Try fewer or other words.`;
      const list = element("ol");
      list.append(...pages.slice(0, limit).map(answer));
      const reference = element("ul");
      reference.append(...(exact.length ? exact : names).slice(0, 5).map(name));
      results.append(...[list, reference].filter((each) => each.children.length));
      if (pages.length > limit) {
        const all = element("a", "All results", "search-all");
        all.href = `${root}search.html?q=${encodeURIComponent(typed)}`;
        results.append(all);
      }
    };

    const search = () => {
      if (!loading) said.textContent = "Loading …";
      load().then(show, (error) => {
        said.textContent = `The search cannot be used here: ${error.message}. Reload the page, or use the menus.`;
      });
    };

    field.addEventListener("focus", load, { once: true });
    field.addEventListener("input", search);
    // Enter opens the first result, and the arrow keys go from one to the next.
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      load().then((index) => {
        show(index);
        results.querySelector("a")?.click();
      });
    });
    form.parentElement.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const places = [field, ...results.querySelectorAll("a")];
      const at = places.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      if (at < 0 || at >= places.length) return;
      event.preventDefault();
      places[at].focus();
    });
    return { field, search };
  }

  for (const form of document.querySelectorAll("#pst-search-dialog form.bd-search")) attach(form, SHOWN);

  // 404.html is served for any address: the words of the one that was asked for are searched for.
  const lost = document.querySelector(".not-found");
  if (lost) {
    const typed = decodeURIComponent(location.pathname).replace(/\.html?$|index$/u, "").replace(/[^\p{L}\p{N}]+/gu, " ");
    load().then((index) => {
      const list = element("ol");
      list.append(...index.find(typed).slice(0, 3).map(answer));
      const results = element("div", "", "search-results");
      results.append(element("p", "These pages come closest to the address:"), list);
      if (list.children.length) lost.append(results);
    }, () => {});
  }

  if (onPage) {
    const { field, search } = attach(onPage, Infinity);
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    field.focus();
    if (field.value) search();
  }
}
