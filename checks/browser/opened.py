"""A page as a reader has it open: how it is visited, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page

CONTRAST = "color-contrast"
TALLEST = 16_000  # what Chromium draws in one picture

#: Every diagram is drawn, and the theme's script has run.
READY = """() => {
  const diagrams = Array.from(document.querySelectorAll(".mermaid-diagram"));
  return document.readyState === "complete" && diagrams.every((place) => place.querySelector("svg"));
}"""

#: What a reader may have folded away is judged too.
UNFOLD = """() => document.querySelectorAll("details").forEach((details) => { details.open = true; })"""

#: What repeats thousands of times is judged a few times. Of each kind of colored word in code the first stays an
#: element, as all are colored by one rule; of the sections and rows that a program wrote (they can be filtered), the
#: first ten of each section and table stay.
THIN_OUT = """() => {
  for (const place of document.querySelectorAll(".filter-rows")) {
    for (const parent of place.closest("section").querySelectorAll("tbody, section")) {
      Array.from(parent.children).filter((child) => child.matches("tr, section")).slice(10)
        .forEach((child) => child.remove());
    }
  }
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = `${token.closest("[class*=highlight-]")?.className} ${token.className}`;
    if (seen.has(kind) && !token.children.length) token.replaceWith(token.textContent);
    seen.add(kind);
  }
}"""

#: The elements beyond the right edge that are not inside something that scrolls by itself, outermost first.
TOO_WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= edge) return [];
  const scrolls = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflowX !== "visible") return true;
    }
    return false;
  };
  const wide = Array.from(document.body.querySelectorAll("*")).filter(
    (element) => element.getBoundingClientRect().right > edge + 1 && !scrolls(element));
  return wide.map((element) => element.outerHTML.slice(0, 120));
}"""


#: What does not fit its place: tables that scroll sideways anywhere, code that does on a desktop, and letters of a
#: diagram under 12 pixels.
DOES_NOT_FIT = """(desktop) => {
  const article = document.querySelector(".bd-article");
  if (!article) return [];
  const scrolls = (element) => {
    for (let box = element; box && box !== article; box = box.parentElement) {
      if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible") return true;
    }
    return element.getBoundingClientRect().right > article.getBoundingClientRect().right + 1;
  };
  const said = (element) => element.textContent.trim().replace(/\\s+/g, " ").slice(0, 80);
  const found = [];
  for (const table of article.querySelectorAll("table")) {
    if (scrolls(table)) found.push(`a table scrolls sideways: ${said(table)}`);
  }
  for (const code of desktop ? article.querySelectorAll("div.highlight pre") : []) {
    const longest = code.textContent.split("\\n").sort((one, other) => other.length - one.length)[0];
    if (code.scrollWidth <= code.clientWidth + 1) continue;
    found.push(`code of ${longest.length} columns is cut off: ${longest.slice(0, 80)}`);
  }
  for (const svg of article.querySelectorAll(".mermaid-diagram svg")) {
    const scale = svg.getBoundingClientRect().width / (svg.viewBox.baseVal.width || 1);
    for (const text of svg.querySelectorAll("text, foreignObject span")) {
      const size = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (size > 0 && size < 12) { found.push(`letters of ${size.toFixed(1)} pixels: ${said(text)}`); break; }
    }
  }
  return found;
}"""


@dataclass(frozen=True)
class Visit:
    """One way of looking at a page: the window, the colors, and the axe rules that it can break.

    Contrast depends on colors, all else that axe knows on what is shown: no rule is asked where it can say nothing
    new, which halves the time.
    """

    name: str
    width: int
    height: int
    colors: str
    axe: dict[str, Any] | None


VISITS = (
    Visit("desktop-light", 1280, 900, "light", axe={}),
    Visit("desktop-dark", 1280, 900, "dark", axe={"runOnly": [CONTRAST]}),
    Visit("phone-light", 390, 844, "light", axe={"rules": {CONTRAST: {"enabled": False}}}),
    Visit("phone-dark", 390, 844, "dark", axe=None),
)
DESKTOP, _, PHONE, _ = VISITS


@dataclass
class Opened:
    """A page in a browser, with the errors that it reported since it was opened."""

    page: Page
    site: str
    visit: Visit
    errors: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, browser: Browser, site: str, path: str, visit: Visit) -> Self:
        """Open a page and wait until it is whole."""
        size = {"width": visit.width, "height": visit.height}
        page = browser.new_context(viewport=size, color_scheme=visit.colors).new_page()
        opened = cls(page, site, visit)
        page.on("console", lambda said: said.type == "error" and opened.errors.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: opened.errors.append(f"script: {error}"))
        page.on("response", lambda got: got.status >= 400 and opened.errors.append(f"{got.status}: {got.url}"))
        page.on("request", lambda asked: opened.foreign(asked.url))
        page.goto(site + path)
        page.wait_for_function(READY)
        return opened

    def foreign(self, url: str) -> None:
        """Note a request to another site: reading the documentation tells nobody."""
        if not url.startswith((self.site, "data:", "blob:")):
            self.errors.append(f"asked another site: {url}")

    def faults(self) -> Iterator[str]:
        """What is wrong with the page, a line each."""
        yield from self.errors
        self.page.evaluate(UNFOLD)
        yield from (f"wider than {self.visit.width} pixels: {element}" for element in self.page.evaluate(TOO_WIDE))
        yield from self.page.evaluate(DOES_NOT_FIT, self.visit.width >= DESKTOP.width)
        if self.visit.axe is not None:
            self.page.evaluate(THIN_OUT)
            yield from self.violations(self.visit.axe)

    def violations(self, options: dict[str, Any]) -> Iterator[str]:
        """What axe finds on the whole page: rule, impact, element, and where the rule is explained."""
        # Without preload axe fetches no style sheets by itself, where it gets the paths of imported ones wrong.
        found = Axe().run(self.page, options={"resultTypes": ["violations"], "preload": False, **options})
        for rule in found.response["violations"]:
            for node in rule["nodes"]:
                target = " ".join(str(part) for part in node["target"])
                where = f"{target}: {node['html'][:160]}"
                yield f"{rule['id']} ({node['impact']}): {rule['help']}: {where} ({rule['helpUrl']})"

    def save(self, folder: Path, name: str) -> None:
        """Save a picture of the page, as far down as a picture can go, before its faults are looked for."""
        target = folder / f"{name}.{self.visit.name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        height = min(self.page.evaluate("document.documentElement.scrollHeight"), TALLEST)
        whole = {"x": 0, "y": 0, "width": self.visit.width, "height": height}
        for _ in range(2):  # a busy machine may not have drawn a tall page in time
            with suppress(Error):
                self.page.screenshot(path=target, full_page=True, clip=whole, type="jpeg", quality=70)
                return

    def close(self) -> None:
        """Close the page with its profile."""
        self.page.context.close()
