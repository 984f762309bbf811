"""What pages say in prose of NeMo Gym's limits and older releases, where no snippet shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from nemo_gym.mcp_auto_exposure import bind_route
from pydantic import BaseModel

from harness.pages import all_pages

DOCS = Path(__file__).parents[2] / "docs"

#: The first release on PyPI whose `gym` has the commands that were `ng_*` before: 0.3.0 has only those.
FIRST_WITH_GYM = "0.4"

RAISE_LIMIT = """
import resource
from nemo_gym.server_utils import SimpleServer
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
SimpleServer.set_ulimit(None)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def wrong_since(text: str) -> list[str]:
    """The releases that prose names beside an `ng_*` command, where they are not the one that has `gym`."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        for sentence in re.split(r"(?<=[.;:]) ", flat):
            if re.search(r"`ng_\w+`", sentence):
                found += re.findall(r"\b(?:up to|since|until|before|in)(?: NeMo Gym)? 0\.\d+", sentence, re.IGNORECASE)
    return [words for words in found if words.lower() != f"before nemo gym {FIRST_WITH_GYM}"]


def test_the_old_names_are_those_of_the_releases_before_gym() -> None:
    pages = [page for page in all_pages(DOCS) if page.name != "reference/cli"]
    assert {page.label: wrong for page in pages if (wrong := wrong_since(page.text))} == {}


@pytest.mark.parametrize(
    "text", ["`gym env test`, `ng_test` up to NeMo Gym\n0.4, runs it.", "A model (up to 0.4 it was `ng_test`)."]
)
def test_a_wrong_release_is_seen(text: str) -> None:
    assert len(wrong_since(text)) == 1


def test_a_soft_limit_above_the_hard_one_is_not_set() -> None:
    done = subprocess.run([sys.executable, "-c", RAISE_LIMIT], capture_output=True, text=True, check=True)
    *printed, limits = done.stdout.splitlines()
    assert any(line.startswith("Found ulimit of") for line in printed)
    assert limits == "256 512"


class Body(BaseModel):
    carrier: str


class Other(BaseModel):
    days: int


async def plain(request: Request, body: Body) -> None: ...
async def mapping(body: dict) -> None: ...
async def with_path(path: str, request: Request) -> None: ...
async def with_query(body: Body, limit: int = 1) -> None: ...
async def two_bodies(body: Body, other: Other) -> None: ...


@pytest.mark.parametrize(
    ("handler", "path", "taken"),
    [
        (plain, "/book", True),
        (mapping, "/book", True),
        (with_path, "/{path}", True),
        (with_query, "/book", False),
        (two_bodies, "/book", False),
    ],
)
def test_what_a_tool_over_mcp_may_take(handler, path: str, taken: bool) -> None:
    app = FastAPI()
    app.post(path)(handler)
    (route,) = (route for route in app.routes if isinstance(route, APIRoute))
    assert (bind_route(route).binding is not None) is taken
