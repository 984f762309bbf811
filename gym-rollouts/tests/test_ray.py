"""The two engines give equal files."""

import json
from pathlib import Path

import pytest
from gym_rollouts import Fault, prepare
from gym_rollouts.engine import TRIES, RayEngine
from sample import rollout, write


@pytest.mark.beside("ray")
def test_ray_writes_what_processes_write(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("gym_rollouts.survey.RANGE", 20_000)
    rows = [rollout(n // 4, n % 4, float(n % 3) / 2, f"a{n}", f"{n // 4}?") for n in range(200)]
    lines = [*map(json.dumps, rows), "x", "", json.dumps(rollout(reward=float("nan"))), json.dumps(rows[3])]
    write(here / "r.jsonl", lines)
    write(here / "t.jsonl", [{"responses_create_params": {"input": f"{n}?"}} for n in range(60)])
    found = []
    for engine in ("local", "ray"):
        for suffix in ("jsonl", "parquet"):
            prepare(
                [Path("r.jsonl")], sft=Path(f"s.{suffix}"), preference=Path(f"p.{suffix}"), rl=Path("rl.jsonl"),
                tasks=Path("t.jsonl"), shards=2, engine=engine, quiet=True,
            )  # fmt: skip
        names = sorted(path.name for path in here.iterdir() if path.is_file())
        found.append(
            {name: pq.read_table(name) if name.endswith("parquet") else Path(name).read_bytes() for name in names}
        )
    assert found[0] == found[1]
    assert (
        sum(data.count(b"\n") for name, data in found[0].items() if name.startswith("s-") and isinstance(data, bytes))
        == 66
    )


@pytest.mark.beside("ray")
def test_a_ray_that_does_not_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    tried = list[str]()

    def fail(address: str, **_: object) -> None:
        tried.append(address)
        raise Exception("timed out during startup.\nMore.")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(Fault, match=r"^Ray did not start: timed out during startup\.$"):
        RayEngine()
    assert tried == ["local"] * TRIES
    with pytest.raises(Fault, match="no Ray answers there"):
        RayEngine("1.2.3.4:5")
    assert tried[TRIES:] == ["1.2.3.4:5"]
