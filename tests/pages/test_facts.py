"""What pages say in prose of NeMo Gym's limits, where no snippet shows it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from nemo_gym.mcp_auto_exposure import bind_route
from pydantic import BaseModel

RAISE_LIMIT = """
import resource
from nemo_gym.server_utils import SimpleServer
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
SimpleServer.set_ulimit(None)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


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
