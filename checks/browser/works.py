"""What a reader does on a page, tried as a reader does it: each function gives what does not work, a line each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator

from checks.browser.opened import Opened

#: Elements that are for the keyboard, as long as they are seen. Of some radio buttons the arrow keys reach the others.
FOR_THE_KEYBOARD = """() => {
  const seen = (each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true });
  const all = "a[href], button, input, select, textarea, summary, [tabindex]";
  return [...document.querySelectorAll(all)].filter((each) => seen(each) && !(each.type === "radio" && !each.checked));
}"""
#: What is pressed by mouse alone: it looks like something to press, and is no element for the keyboard nor inside one.
FOR_THE_MOUSE = """() => [...document.body.querySelectorAll("*")].filter((each) =>
  getComputedStyle(each).cursor === "pointer" && each.checkVisibility({ visibilityProperty: true })
  && !each.closest("a[href], button, input, select, textarea, summary, label, [tabindex='0']")
).map((each) => each.outerHTML.slice(0, 120))"""
#: Remembers what is for the keyboard, what of it gets the focus, and what does not show that: neither the element, nor
#: what is in it or around it, looks another way with the focus than without it.
REMEMBER = f"""() => {{
  const expected = ({FOR_THE_KEYBOARD})();
  const reached = new Set();
  const unseen = new Set();
  const looks = (target) => {{
    const around = [target, ...(target.labels ?? []), ...target.querySelectorAll("*")];
    for (let box = target.parentElement; box && around.length < 30; box = box.parentElement) around.push(box);
    return JSON.stringify(around.flatMap((each) => [null, "::before", "::after"].map((part) => {{
      const style = getComputedStyle(each, part);
      return [style.outline, style.boxShadow, style.border, style.backgroundColor, style.textDecoration, style.color];
    }})));
  }};
  let before = null;
  document.addEventListener("focusin", ({{ target }}) => {{
    reached.add(target);
    before = [target, looks(target)];
  }});
  document.addEventListener("focusout", () => setTimeout((was) => {{
    if (was && was[0] !== document.activeElement && looks(was[0]) === was[1]) unseen.add(was[0]);
  }}, 0, before));
  window.byKeyboard = {{ expected, reached, unseen }};
  return expected.length;
}}"""
FOUND = """() => {
  const { expected, reached, unseen } = window.byKeyboard;
  const shown = (all) => [...all].map((each) => each.outerHTML.slice(0, 120));
  return [shown(expected.filter((each) => !reached.has(each))), shown(unseen)];
}"""


def keyboard(opened: Opened) -> Iterator[str]:
    """What the Tab key does not reach, or reaches without a sign."""
    page = opened.page
    for _ in range(page.evaluate(REMEMBER) + 5):  # some more: what is reached may bring up something
        page.keyboard.press("Tab")
    missed, unseen = page.evaluate(FOUND)
    yield from (f"the Tab key does not reach {each}" for each in missed)
    yield from (f"the focus is not seen on {each}" for each in unseen)
    yield from (f"only a mouse can press {each}" for each in page.evaluate(FOR_THE_MOUSE))


#: Presses the copy button of each block and reads the clipboard; null where a block has no button.
COPY = """async () => {
  const copied = [];
  for (const pre of document.querySelectorAll("div[class*=highlight-] > div.highlight > pre")) {
    const button = pre.parentElement.querySelector("button.copybtn");
    if (!button) { copied.push(null); continue; }
    await navigator.clipboard.writeText("");
    button.click();
    copied.push(await navigator.clipboard.readText());
  }
  return copied;
}"""


def copies(opened: Opened, expected: Sequence[str | None]) -> Iterator[str]:
    """Blocks whose button copies something else than what the tests run. The page needs the right to the clipboard."""
    copied = opened.page.evaluate(COPY)
    if len(copied) != len(expected):
        yield f"{len(expected)} code blocks, and {len(copied)} on the page"
        return
    for number, (got, wanted) in enumerate(zip(copied, expected, strict=True), start=1):
        if got != wanted:
            yield f"block {number}: the copy button copies {got!r} where the tests run {wanted!r}"


def tabs(opened: Opened) -> Iterator[str]:
    """Sets of tabs that do not show just the one that is chosen, by mouse or by keyboard, or do not open together."""
    sets = opened.page.locator(".sd-tab-set")
    for number in range(sets.count()):
        place = sets.nth(number)
        labels, panels = place.locator(":scope > label"), place.locator(":scope > .sd-tab-content")
        names = [text.strip() for text in labels.all_text_contents()]
        for chosen in [*range(1, len(names)), 0]:
            labels.nth(chosen).click()
            yield from _shown(f"a click on the tab {names[chosen]!r}", panels, [chosen])
        place.locator(":scope > input").first.focus()
        opened.page.keyboard.press("ArrowRight")
        yield from _shown(f"the right arrow key on the tab {names[0]!r}", panels, [1])
        group, name = (labels.nth(0).get_attribute(f"data-sync-{key}") for key in ("group", "id"))
        labels.nth(0).click()
        others = opened.page.locator(f"label[data-sync-group='{group}'][data-sync-id='{name}']")
        for other in others.all() if name else ():
            if not other.locator("xpath=following-sibling::*[1]").is_visible():
                yield f"the tab {names[0]!r} does not open the others of its name"


def _shown(what: str, panels: Locator, expected: list[int]) -> Iterator[str]:
    shown = [number for number, panel in enumerate(panels.all()) if panel.is_visible()]
    if shown != expected:
        yield f"{what} shows panels {shown}, expected {expected}"


NOWHERE = "nothing is called so"
#: The anchors that a filter hid, and whether each only leads on to another page.
HIDDEN = """() => [...document.querySelectorAll('[hidden][id], [hidden] [id]')].map((each) => ({
  id: each.id,
  "leads on": [...each.querySelectorAll("a")].some(
    (link) => link.hash === `#${each.id}` && link.pathname !== location.pathname
  ),
}))"""
#: Goes to an anchor, and waits until the page has heard of it.
FOLLOW = """(anchor) => new Promise((done) => {
  addEventListener("hashchange", () => setTimeout(done), { once: true });
  setTimeout(done, 1000);
  location.hash = anchor;
})"""


def filters(opened: Opened) -> Iterator[str]:
    """Fields that do not narrow the rows of their section, do not say how many are left, or do not show all again."""
    page = opened.page
    places = page.locator(".filter-rows").all()
    for place in places[:1]:
        field, count = place.get_by_role("searchbox", name="Filter"), place.get_by_role("status")
        if not field.count():
            yield "there is no field to filter by"
            return
        rows = place.locator("xpath=ancestor::section[1]").locator("tbody tr:visible")
        total, texts = int(count.text_content() or 0), rows.all_text_contents()
        words = Counter(word for text in texts for word in set(text.lower().split()))
        if not words:
            yield "there are no rows to filter"
            return
        word = min(words, key=words.__getitem__)
        field.press_sequentially(word)
        shown = int((count.text_content() or "").partition(" of ")[0] or 0)
        if not (0 < shown < total and 0 < rows.count() < len(texts)):
            yield f"{word!r} leaves {shown} of {total} entries and {rows.count()} of {len(texts)} rows"
        field.fill(NOWHERE)
        if count.text_content() != f"0 of {total}" or rows.count():
            yield f"{NOWHERE!r} leaves {rows.count()} rows, and the count reads {count.text_content()!r}"
        field.fill("")
        if rows.count() != len(texts):
            yield f"an empty field shows {rows.count()} of {len(texts)} rows"
    for place in places:
        place.get_by_role("searchbox").fill(NOWHERE)
        hidden = page.evaluate(HIDDEN)
        stays = [each["id"] for each in hidden if not each["leads on"]]
        if hidden and not stays:
            continue
        anchor = stays[0] if stays else None
        page.evaluate(FOLLOW, anchor)
        if not anchor or not page.locator(f"[id='{anchor}']").is_visible():
            yield f"a link to {anchor}, which the filter hid, does not show it"


def rating(opened: Opened) -> Iterator[str]:
    """What is wrong with a page's rating: five links in order, each to the issue form, filled in for the page."""
    page = opened.page
    links = page.locator(".page-rating a")
    if links.count() != 5:
        yield f"expected five ratings, found {links.count()}"
    for stars, link in enumerate(links.all(), start=1):
        address = urlsplit(link.get_attribute("href") or "")
        fields = {name: value for name, (value, *_) in parse_qs(address.query).items()}
        path = urlsplit(page.url).path.strip("/").removesuffix(".html")
        told = (fields.get("rating", "")[:1], fields.get("page"))
        if not address.path.endswith("/issues/new") or told != (str(stars), path):
            yield f"the rating {stars} leads to {link.get_attribute('href')}"
        if not (link.get_attribute("aria-label") or "").startswith(str(stars)):
            yield f"the rating {stars} is read out as {link.get_attribute('aria-label')!r}"


def without_moving(stub: str) -> str:
    """The HTML of a redirect without what moves the reader on, so that it can be looked at."""
    return re.sub(r"<(script|noscript)>.*?</\1>", "", stub, flags=re.DOTALL)
