"""The links of a built site: planted faults are caught and named; other sites are asked as configured."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from checks import links
from tests.site.conftest import Build, Site, page

PAGES = {"a": page("\n## A part\n\nWords.\n"), "b/c": page("\n[a part](../a.md#a-part)\n")}
ADDRESS = "https://example.org/docs"


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for a later run, and this project's own documents are left out."""
    monkeypatch.setattr(links, "CACHE", tmp_path / "cache")
    for name in ("PAGES", "OTHER_SITES"):
        alone = [option for option in getattr(links, name) if option not in links.BESIDE]
        monkeypatch.setattr(links, name, alone)


def plant(site: Site, body: str, name: str = "index.html") -> None:
    path = site.html / name
    path.write_text(site.read(name).replace("</article>", f"{body}</article>"), encoding="utf-8")


def checked(site: Site, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str], str]:
    """The exit status, the faults and the summary."""
    status = links.main([str(site.html), *options])
    *faults, summary = capsys.readouterr().out.splitlines()
    return status, faults, summary


# -- Links that stay on the site --------------------------------------------------------------------


def test_a_sound_site_passes(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    status, faults, summary = checked(build(PAGES), capsys)
    assert (status, faults) == (0, [])
    found = re.match(r"(\d+) of (\d+) links on 5 pages lead somewhere; 0 not followed, 0 known from before; ", summary)
    assert found[1] == found[2] != "0"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere: there is no such file"),
        ('<a href="/gone.html">x</a>', "gone.html leads nowhere: there is no such file"),
        (
            '<a href="a.html#a-prt">x</a>',
            "a.html#a-prt leads nowhere: its page has no such anchor; the nearest is #a-part",
        ),
        ('<a href="#nowhere">x</a>', "index.html#nowhere leads nowhere: its page has no such anchor"),
        ('<img src="gone.svg" alt="">', "gone.svg leads nowhere: there is no such file"),
        ('<link rel="stylesheet" href="gone.css">', "gone.css leads nowhere: there is no such file"),
    ],
)
def test_a_dead_link_is_named_with_its_page(
    build: Build, capsys: pytest.CaptureFixture[str], body: str, said: str
) -> None:
    site = build(PAGES)
    plant(site, body)
    status, faults, _ = checked(site, capsys)
    assert status == 1
    assert faults == [f"docs/index.md: the link to {said}"]


def test_a_dead_link_on_many_pages_is_one_line(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    site = build(PAGES | {"d": page(""), "e": page("")})
    for name in ("index", "a", "d", "e"):
        plant(site, '<a href="gone.html">x</a>', f"{name}.html")
    _, faults, _ = checked(site, capsys)
    assert len(faults) == 1
    assert " and 1 more: the link to gone.html leads nowhere" in faults[0]


def test_a_dead_link_of_a_markdown_twin_is_caught(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    site = build(PAGES)
    with (site.html / "a.md").open("a", encoding="utf-8") as twin:
        twin.write("\n[x](gone.md), [y](b/c.md#an-anchor-that-only-the-page-has)\n")
    assert checked(site, capsys)[:2] == (
        1,
        ["docs/_build/html/a.md: the link to gone.md leads nowhere: there is no such file"],
    )


def test_the_sites_own_address_is_followed_on_the_disk(
    build: Build, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(PAGES, redirects=['"old" "a"'], published=["index", "a", "b/c", "old"], address=ADDRESS)
    assert 'href="/docs/_static' in site.read("404.html")
    assert checked(site, capsys)[:2] == (0, [])
    plant(site, f'<a href="{ADDRESS}/gone.html">x</a>')
    assert checked(site, capsys)[1] == ["docs/index.md: the link to gone.html leads nowhere: there is no such file"]
    monkeypatch.delenv("SITE_URL")
    assert checked(site, capsys)[0] == 1  # without the address, /docs/ is no place on the site


def test_an_empty_folder_is_no_sound_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    assert links.main([str(tmp_path / "empty")]) == 1
    assert "no link was found on the site" in capsys.readouterr().out


def test_what_lychee_cannot_do_is_no_success(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "EXTERNAL", tmp_path / "absent.toml")
    with pytest.raises(SystemExit, match="lychee ended with status"):
        links.main([str(build(PAGES).html), "--external"])


# -- Links to other sites ---------------------------------------------------------------------------


class Elsewhere(BaseHTTPRequestHandler):
    """Another site: /ok answers, /gone is gone, /busy asks for patience once, /slow fails twice."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        early = {"/busy": {1: 429}, "/slow": {1: 503, 2: 503}, "/robots": {}}.get(self.path, {})
        status = early.get(self.asked[self.path]) or {"/gone": 404, "/robots": 403}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    Elsewhere.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def hurry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignore: str = "") -> None:
    """Use the project's own settings with shorter pauses, and with an ignore list of this test's own."""
    text = links.EXTERNAL.read_text(encoding="utf-8")
    for setting in ("retry_wait_time = 5", 'host_request_interval = "1s"'):
        assert setting in text
    text = text.replace("retry_wait_time = 5", "retry_wait_time = 1").replace('interval = "1s"', 'interval = "10ms"')
    monkeypatch.setattr(links, "PAUSE_S", 0)
    path = tmp_path / "external.toml"
    path.write_text(re.sub(r"(?s)^exclude = \[.*?^\]", f"exclude = [{ignore}]", text, flags=re.MULTILINE), "utf-8")
    monkeypatch.setattr(links, "EXTERNAL", path)


def test_other_sites_are_asked_again_and_answers_are_kept(
    build: Build, elsewhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(tmp_path, monkeypatch, f"'^{elsewhere}/robots$'")
    site = build(PAGES)
    for path in ("ok", "ok#part", "busy", "slow", "gone", "robots"):
        plant(site, f'<a href="{elsewhere}/{path}">x</a>')
    status, faults, _ = checked(site, capsys, "--external")
    assert status == 1
    assert faults == [f"docs/index.md: the link to {elsewhere}/gone leads nowhere: 404 Not Found"]
    assert Elsewhere.asked == {"/ok": 1, "/busy": 2, "/slow": 3, "/gone": 3}
    status, _, summary = checked(site, capsys, "--external")
    assert status == 1
    assert Elsewhere.asked["/ok"] == 1
    assert Elsewhere.asked["/gone"] == 4
    assert " known from before" in summary


def test_an_ignored_address_that_no_page_links_to_is_reported(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(tmp_path, monkeypatch, "'^https://example\\.invalid/'")
    status, faults, _ = checked(build(PAGES), capsys, "--external")
    assert status == 1
    assert faults == [
        "checks/external.toml: no link of the site matches '^https://example\\\\.invalid/' any more: remove the entry"
    ]
