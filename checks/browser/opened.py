"""A page as a reader has it open: how it is visited, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Page

AXE = Axe().axe_script
CONTRAST = "contrast"
STRUCTURE = "all but contrast"
#: The rules of axe that depend on colors: letters against what is behind them, links against the text around them.
OF_COLORS = ("color-contrast", "link-in-text-block")
TALLEST = 16_000  # what Chromium draws in one picture

#: The page is complete, in these colors, with every diagram drawn in them; what answers a new size has run.
READY = """async (colors) => {
  if (document.readyState !== "complete") return false;
  if (document.documentElement.dataset.mode && document.documentElement.dataset.theme !== colors) return false;
  const diagrams = Array.from(document.querySelectorAll(".mermaid-diagram"));
  if (!diagrams.every((place) => place.querySelector("svg")?.id.endsWith(`-${colors}`))) return false;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return true;
}"""

#: A change of colors is there at once: half of one breaks rules that neither end of it breaks.
AT_ONCE = "*, *::before, *::after { transition: none !important; animation: none !important }"

#: What a reader may have folded away is judged too.
UNFOLD = """() => document.querySelectorAll("details").forEach((details) => { details.open = true; })"""

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


#: What axe looks at for contrast: of the elements with text that have the same colors, backgrounds, size and weight,
#: the first one; of links, where they also stand in the same kind of text. Most of a page's elements are words of code
#: in a dozen colors, and to judge each of them takes axe most of its time.
LOOKS = """() => {
  const styles = new Map();
  const style = (element) => styles.get(element) ?? styles.set(element, getComputedStyle(element)).get(element);
  const behind = new Map();
  const ground = (element) => {
    if (!element) return "";
    if (!behind.has(element)) {
      const { backgroundColor: color, backgroundImage: image, opacity } = style(element);
      const own = color === "rgba(0, 0, 0, 0)" && image === "none" && opacity === "1" ? "" : [color, image, opacity];
      behind.set(element, `${ground(element.parentElement)};${own}`.replace(/;+/g, ";"));
    }
    return behind.get(element);
  };
  const found = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const link = element.matches("a[href]");
    if (!(says || link || element.matches("input, select, textarea")) || !element.checkVisibility()) continue;
    const { color, fontSize, fontWeight, textShadow, position, textDecorationLine, borderBottom } = style(element);
    const around = element.parentElement;
    const beside = link && [
      textDecorationLine, borderBottom, style(around).color, around.localName,
      around.textContent.trim() !== element.textContent.trim(),
    ];
    const look = [color, fontSize, fontWeight, textShadow, position, ground(element), beside].join("|");
    if (!found.has(look)) found.set(look, element);
  }
  return [...found.values()];
}"""


#: What axe is asked, and of which part of the page.
ASKED = {
    STRUCTURE: ({"rules": {rule: {"enabled": False} for rule in OF_COLORS}}, "() => [document]"),
    CONTRAST: ({"runOnly": list(OF_COLORS)}, LOOKS),
}


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
    axe: tuple[str, ...]


#: In an order in which each differs from the one before it in one thing. The phone is first: what scrolls there gets
#: its tab stop when the page is loaded.
PHONE = Visit("phone-light", 390, 844, "light", axe=(STRUCTURE,))
PHONE_DARK = Visit("phone-dark", 390, 844, "dark", axe=())
DESKTOP_DARK = Visit("desktop-dark", 1280, 900, "dark", axe=(CONTRAST,))
DESKTOP = Visit("desktop-light", 1280, 900, "light", axe=(STRUCTURE, CONTRAST))
VISITS = (PHONE, PHONE_DARK, DESKTOP_DARK, DESKTOP)


#: What a reader's browser loads for a page, the page itself included: the requests, and the bytes of the files as the
#: host packs them, also of those that the browser has already.
WEIGHT = """() => {
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return [loaded.length, loaded.reduce((sum, each) => sum + each.encodedBodySize, 0)];
}"""


#: What a page may take: requests, and packed bytes. More where it draws diagrams, or searches as it opens.
BUDGET = (26, 400_000)
BUDGETS = {".mermaid-diagram": (28, 1_200_000), ".search-page, .not-found": (28, 700_000)}


@dataclass
class Opened:
    """A page in a browser, with the errors that it reported since its address was opened."""

    page: Page
    site: str
    visit: Visit
    errors: list[str] = field(default_factory=list)

    @classmethod
    def blank(cls, context: BrowserContext, site: str) -> Self:
        """A new page that listens, with no address yet."""
        opened = cls(context.new_page(), site, DESKTOP)
        page, errors = opened.page, opened.errors
        page.on("console", lambda said: said.type == "error" and errors.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: errors.append(f"script: {error}"))
        page.on("response", lambda got: got.status >= 400 and errors.append(f"{got.status}: {got.url}"))
        page.on("requestfailed", lambda asked: errors.append(f"failed: {asked.url} ({asked.failure})"))
        page.on("request", lambda asked: opened.foreign(asked.url))
        return opened

    @classmethod
    def at(cls, browser: Browser, site: str, path: str, visit: Visit) -> Self:
        """Open a page in a profile of its own and wait until it is whole."""
        opened = cls.blank(browser.new_context(), site)
        opened.go(path, visit)
        return opened

    def go(self, path: str, visit: Visit) -> None:
        """Open an address, by its path from the site's root, and wait until the page is whole."""
        self._be(visit)
        self.page.goto("about:blank")  # so that nothing of the page before, which ends now, is counted for this one
        self.errors.clear()
        self.page.goto(self.site + path)
        self.page.add_style_tag(content=AT_ONCE)
        self._wait()

    def look(self, visit: Visit) -> None:
        """Look at the same page in another size and other colors, without loading it again."""
        self._be(visit)
        self._wait()

    def _be(self, visit: Visit) -> None:
        self.visit = visit
        self.page.set_viewport_size({"width": visit.width, "height": visit.height})
        self.page.emulate_media(color_scheme=visit.colors)

    def _wait(self) -> None:
        self.page.wait_for_function(READY, arg=self.visit.colors)

    def weight(self) -> tuple[int, int]:
        """How many requests the page made, and how many bytes they bring, packed."""
        requests, size = self.page.evaluate(WEIGHT)
        return requests, size

    def too_heavy(self) -> Iterator[str]:
        """Say what of the page's budget is overdrawn."""
        requests, size = self.weight()
        kind = next((kind for kind in BUDGETS if self.page.locator(kind).count()), "body")
        most_requests, most_bytes = BUDGETS.get(kind, BUDGET)
        if requests > most_requests:
            yield f"{requests} requests, of {most_requests} that a page may make"
        if size > most_bytes:
            yield f"{size / 1000:.0f} KB to load, packed, of {most_bytes / 1000:.0f} that a page may take"

    def foreign(self, url: str) -> None:
        """Note a request to another site: reading the documentation tells nobody."""
        if not url.startswith((self.site, "data:", "blob:")):
            self.errors.append(f"asked another site: {url}")

    def faults(self) -> Iterator[str]:
        """What is wrong with the page, a line each."""
        yield from self.errors
        self.errors.clear()
        self.page.evaluate(UNFOLD)
        yield from (f"wider than {self.visit.width} pixels: {element}" for element in self.page.evaluate(TOO_WIDE))
        yield from self.page.evaluate(DOES_NOT_FIT, self.visit.width >= DESKTOP.width)
        for asked in self.visit.axe:
            yield from self.violations(asked)

    def violations(self, asked: str) -> Iterator[str]:
        """What axe finds on the page: rule, impact, element, and where the rule is explained."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(AXE)
        options, elements = ASKED[asked]
        # Without preload axe fetches no style sheets by itself, where it gets the paths of imported ones wrong.
        options = {"resultTypes": ["violations"], "preload": False, **options}
        run = f"async (options) => (await axe.run({{ include: ({elements})() }}, options)).violations"
        for rule in self.page.evaluate(run, options):
            for node in rule["nodes"]:
                target = " ".join(str(part) for part in node["target"])
                where = f"{target}: {node['html'][:160]}"
                yield f"{rule['id']} ({node['impact']}): {rule['help']}: {where} ({rule['helpUrl']})"

    def save(self, folder: Path, name: str) -> None:
        """Save a picture of the page, as far down as a picture can go."""
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
