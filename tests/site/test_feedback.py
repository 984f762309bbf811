"""Ratings, links to the repository, dates and counts: only where the build is told of an address."""

from __future__ import annotations

import re
import subprocess
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import feedback
import pytest
import yaml

from tests.site.conftest import ROOT, Build, page

REPOSITORY = "https://example.com/owner/site"


def test_a_build_that_is_told_of_no_address_has_no_link_and_counts_nothing(build: Build) -> None:
    html = build({"one": page("")}).read("one.html")
    assert not re.search(r'page-rating|Edit this page|name="analytics"|fa-github', html)


def test_a_rating_opens_the_form_with_its_fields_filled_in(build: Build) -> None:
    html = build({"a/one": page("")}, repository_url=REPOSITORY).read("a/one.html")
    links = [unescape(each) for each in re.findall(r'href="(https://example\.com[^"]+)"', html)]
    ratings = [parse_qs(urlsplit(each).query) for each in links if "rating=" in each]
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / feedback.FORM).read_text(encoding="utf-8"))
    fields = {each["id"]: each for each in form["body"]}
    assert form["labels"] == ["training"]
    assert [each["rating"][0] for each in ratings] == fields["rating"]["attributes"]["options"]
    assert all(each["template"] == [feedback.FORM] and each["page"] == ["a/one"] for each in ratings)
    for each in ratings:  # GitHub fills in fields by their ids
        assert each.keys() - {"template", "title"} <= fields.keys()
    assert f"{REPOSITORY}/edit/main/docs/a/one.md" in links


def test_the_address_for_counts_is_all_that_a_page_says(build: Build) -> None:
    html = build({"one": page("")}, analytics_url="https://example.com/count?a&b").read("one.html")
    assert '<meta name="analytics" content="https://example.com/count?a&amp;b">' in html


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_page_changed_when_its_last_commit_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    git(tmp_path, "init", "-q")
    for date, name in (("2026-01-02", "a.md"), ("2026-03-04", "b.md"), ("2026-05-06", "a.md")):
        (docs / name).write_text(date)
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{date}T12:00:00Z")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", name)
    assert feedback.changes(docs) == {"a.md": "2026-05-06", "b.md": "2026-03-04"}


def test_a_shallow_clone_and_no_repository_know_no_dates(tmp_path: Path) -> None:
    assert feedback.changes(tmp_path) == {}
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git(origin, "init", "-q")
    for text in "ab":
        (origin / "a.md").write_text(text)
        git(origin, "add", "-A")
        git(origin, "commit", "-qm", text)
    git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), str(clone))
    assert feedback.changes(clone) == {}
