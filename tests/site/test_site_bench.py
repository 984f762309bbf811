"""What the bench of the site makes of Lighthouse's reports, and beside which theme it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import site
from recipes.results import locked


def report(score: float = 1.0, requests: int = 20, weight: int = 400_000, **audit: Any) -> dict[str, Any]:
    """A report of which one audit says something of `best-practices`."""
    asked = {"id": "font-size", "title": "Letters are small", "score": score, "scoreDisplayMode": "binary"} | audit
    audits = {
        "font-size": asked,
        "network-requests": {"details": {"items": [{}] * requests}},
        "total-byte-weight": {"numericValue": weight},
    }
    refs = [{"id": "font-size", "weight": 1}]
    categories = {name: {"score": 1.0, "auditRefs": []} for name in (*site.FULL, site.PRINTED)}
    return {"audits": audits, "categories": categories | {"best-practices": {"score": score, "auditRefs": refs}}}


def test_a_page_that_has_all_is_not_short_of_anything() -> None:
    page = site.judged("index.html", report())
    assert (page.requests, page.kilobytes, page.faults) == (20, 400, [])
    assert not list(page.short_of())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"score": 0.96}, "best-practices is 96, not 100"),
        ({"requests": 31}, "31 requests are more than 30"),
        ({"weight": 451_000}, "451 KB are more than 450"),
    ],
)
def test_what_falls_short_is_named(given: dict[str, Any], said: str) -> None:
    assert list(site.judged("index.html", report(**given)).short_of()) == [said]


def test_the_fault_behind_a_score_is_printed() -> None:
    page = site.judged("index.html", report(0.5))
    assert "      font-size: Letters are small" in list(site.lines([page], [page]))
    assert not site.judged("index.html", report(0.5, scoreDisplayMode="notApplicable")).faults


def test_only_the_page_of_the_search_may_load_its_index() -> None:
    assert not list(site.judged("search.html", report(weight=700_000)).short_of())


def test_a_page_that_went_is_not_left_out_unseen(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    with pytest.raises(SystemExit, match=r"no about/gone\.html: name the page"):
        site.look_at(tmp_path, ["index.html", "about/gone.html"])


def test_the_theme_is_the_one_that_this_site_has() -> None:
    assert locked("pydata-sphinx-theme", "theme") == locked("pydata-sphinx-theme", "docs")
