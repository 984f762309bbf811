"""Where the work is done: in processes on this machine, or on Ray. Both give the results in the order of the jobs."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from gym_rollouts.errors import Fault

Job = TypeVar("Job")
Result = TypeVar("Result")
EngineName = Literal["local", "ray"]


#: Bytes of inputs up to which starting processes takes longer than the work.
SMALL = 1 << 23
#: Ray gives its own parts 15 seconds to start, whatever is set. The second time they are in the machine's cache.
TRIES = 3


class Engine:
    """All cores of this machine. Where there is little to do, it is done right here: see `expect`."""

    def __init__(self, workers: int | None = None) -> None:
        """Take the number of processes; unset, one for each core."""
        self.workers = workers or cores()
        self._pool: ProcessPoolExecutor | None = None
        self._size = 0

    def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results of a function of a module for each job, in order."""
        todo = list(jobs)
        if len(todo) < 2 or self.workers < 2 or self._size <= SMALL:
            yield from map(function, todo)
            return
        if self._pool is None:  # spawned: Arrow has threads, which a forked process would wait for
            self._pool = ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))
        try:
            yield from self._pool.map(function, todo)
        except BrokenProcessPool:
            raise Fault(
                "a worker process was ended from outside, as where memory runs out. Give --workers a smaller number"
            ) from None

    def expect(self, size: int) -> None:
        """Say that so many more bytes are to be read."""
        self._size += size

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class RayEngine(Engine):
    """Ray Data: a Ray of its own, which ends with the command, unless an address is given."""

    def __init__(self, address: str | None = None) -> None:
        """Start Ray, or join the one at an address.

        Raises:
            Fault: Ray is not installed, or does not answer.
        """
        super().__init__(1)
        # Ray's own helper processes listen on the address of the host unless this is off.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            import ray.data
        except ImportError:
            raise Fault("--engine ray needs Ray. Install it: uv pip install 'ray[data]'") from None
        self.ray: Any = ray
        for left in reversed(range(1 if address else TRIES)):
            try:
                ray.init(
                    address=address or "local", log_to_driver=False, include_dashboard=False if not address else None
                )
                break
            except Exception as error:  # Ray raises what its parts raise, down to Exception itself
                ray.shutdown()
                if left:
                    continue
                what = f"--address {address}: no Ray answers there" if address else "Ray did not start"
                raise Fault(f"{what}: {(str(error).splitlines() or [repr(error)])[0]}") from None
        ray.data.DataContext.get_current().enable_progress_bars = False

    def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results of a function of a module for each job, in order."""
        # As bytes: what Ray Data makes of objects depends on what they hold.
        todo = [{"number": number, "job": pickle.dumps((function, job))} for number, job in enumerate(jobs)]
        if todo:
            rows = self.ray.data.from_items(todo, override_num_blocks=len(todo)).map(_work).take_all()
            yield from [pickle.loads(row["result"]) for row in sorted(rows, key=lambda row: row["number"])]

    def close(self) -> None:
        """Leave Ray; end it where it is our own."""
        self.ray.shutdown()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(row: dict[str, Any]) -> dict[str, Any]:
    """Do a job of Ray's."""
    function, job = pickle.loads(row["job"])
    return {"number": row["number"], "result": pickle.dumps(function(job))}


@contextmanager
def open_engine(name: EngineName, workers: int | None = None, address: str | None = None) -> Iterator[Engine]:
    """Open an engine, and close it at the end.

    Raises:
        Fault: an option that this engine cannot honor, or Ray is not there.
    """
    if name == "local" and address:
        raise Fault("--address is for --engine ray: add it, or leave the address out")
    if name == "ray" and workers:
        raise Fault("--workers is for --engine local: Ray takes the cores that it has")
    engine = RayEngine(address) if name == "ray" else Engine(workers)
    try:
        yield engine
    finally:
        engine.close()


def track(results: Iterable[Result], total: int, label: str, quiet: bool) -> Iterator[Result]:
    """Pass results on, with a bar on standard error while they come, if that is a terminal and there are several."""
    if quiet or total < 4 or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(results, description=label, total=total, console=Console(stderr=True), transient=True)
