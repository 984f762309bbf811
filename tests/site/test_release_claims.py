"""The ``{release}`` role: what it reads like, in the twin too, and that a claim which is not so fails the build."""

from __future__ import annotations

from tests.site.conftest import Build, page


def test_a_claim_reads_well_on_the_page_and_in_its_twin(build: Build) -> None:
    site = build({"index": page("It is there {release}`since 0.6 <task_source>`, you see.")})
    assert not site.failed, site.warnings
    assert "It is there since NeMo Gym 0.6, you see." in site.read("index.html")
    assert "It is there since NeMo Gym 0.6, you see." in site.read("index.md")


def test_a_claim_that_is_not_so_fails_the_build_with_its_line(build: Build) -> None:
    text = page("One line,\nand {release}`since 0.5 <task_source>` another.")
    site = build({"index": text})
    assert site.failed
    line = text[: text.index("{release}")].count("\n") + 1
    assert f"index.md:{line}" in site.warnings
    assert "these releases have it: 0.6.0, 0.7.0" in site.warnings
