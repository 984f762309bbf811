"""A collection that is under way: the three files that NeMo Gym writes, read as they grow.

*Asked for* are the attempts of `*_materialized_inputs.jsonl`. *Done* are attempts with a line in the rollouts file,
each once. *Failed* are attempts of `*_failures.jsonl` that are not done: a resumed run tries them again, and then they
are done, though their lines stay in the sidecar.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gym_rollouts.loose import Row, index, number, read_row

CHUNK = 1 << 22
Key = tuple[str, int, int]


@dataclass
class Tail:
    """A file that grows. What was not there, or could not be read, may be there the next time."""

    path: Path
    at: int = 0
    file: tuple[int, int] = (0, 0)
    rest: bytes = b""
    modified: float = 0.0

    def lines(self) -> tuple[list[bytes], bool]:
        """The lines that ended since the last time, and whether the file began anew, so that those before are gone."""
        anew = False
        try:
            with self.path.open("rb") as opened:
                found = self.path.stat()
                if self.file != (found.st_dev, found.st_ino) or found.st_size < self.at:
                    anew = self.at > 0 or bool(self.rest)
                    self.at, self.rest, self.file = 0, b"", (found.st_dev, found.st_ino)
                self.modified = found.st_mtime
                opened.seek(self.at)
                made = list[bytes]()
                while chunk := opened.read(CHUNK):
                    self.at += len(chunk)
                    *whole, self.rest = (self.rest + chunk).split(b"\n")
                    made += whole
                return made, anew
        except OSError:
            return [], anew

    @property
    def exists(self) -> bool:
        """Say whether the file is there."""
        with contextlib.suppress(OSError):
            return self.path.is_file()
        return False


@dataclass
class Collection:
    """What is known of a collection so far."""

    rollouts: Tail
    inputs: Tail
    failures: Tail
    asked: int = 0
    asked_keys: set[Key] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)
    plain: int = 0  # lines without numbers: each is an attempt
    repeated: int = 0
    unreadable: int = 0
    masked: int = 0
    rewards: float = 0.0
    rewarded: int = 0
    failures_of: dict[Key, tuple[str, bool]] = field(default_factory=dict)  # class; whether a resumed run leaves it out
    failed_plain: list[str] = field(default_factory=list)  # the class of each

    @classmethod
    def of(cls, rollouts: Path) -> Collection:
        """The collection that writes a rollouts file."""
        inputs = rollouts.with_name(f"{rollouts.stem}_materialized_inputs.jsonl")
        return cls(Tail(rollouts), Tail(inputs), Tail(rollouts.with_name(f"{rollouts.stem}_failures.jsonl")))

    def read(self, to_the_end: bool = False) -> bool:
        """Read what has been written since. Returns whether anything was. Nothing is raised.

        `to_the_end`: a last line without an end counts, if it is whole.
        """
        grown = False
        for tail, add, forget in (
            (self.inputs, self._add_input, self._forget_inputs),
            (self.rollouts, self._add_rollout, self._forget_rollouts),
            (self.failures, self._add_failure, self._forget_failures),
        ):
            lines, anew = tail.lines()
            if anew:
                forget()
            for line in lines:
                add(line)
            if to_the_end and tail.rest.strip() and read_row(tail.rest) is not None:
                add(tail.rest)
                tail.rest = b""
            grown = grown or bool(lines) or anew
        return grown

    def _add_input(self, line: bytes) -> None:
        if line.strip():
            self.asked += 1
            if (row := read_row(line)) and (key := key_of(row)):
                self.asked_keys.add(key)

    def _forget_inputs(self) -> None:
        self.asked = 0
        self.asked_keys.clear()

    def _add_rollout(self, line: bytes) -> None:
        if not line.strip():
            return
        row = read_row(line)
        if row is None:
            self.unreadable += 1
            return
        key = key_of(row)
        if key is None:
            self.plain += 1
        elif key in self.keys:
            self.repeated += 1
            return
        else:
            self.keys.add(key)
        if row.get("mask_sample"):
            self.masked += 1
            return
        reward = number(row.get("reward"))
        if reward is not None:
            self.rewards += reward
            self.rewarded += 1

    def _forget_rollouts(self) -> None:
        self.keys.clear()
        self.plain = self.repeated = self.unreadable = self.masked = self.rewarded = 0
        self.rewards = 0.0

    def _add_failure(self, line: bytes) -> None:
        row = read_row(line) if line.strip() else None
        if row is None:
            return
        name = row.get("_ng_failure_class")
        name = name if isinstance(name, str) else "no class"
        key = key_of(row)
        if key is None:
            self.failed_plain.append(name)
        else:
            self.failures_of[key] = name, bool(row.get("_ng_failure_terminal"))

    def _forget_failures(self) -> None:
        self.failures_of.clear()
        self.failed_plain.clear()

    @property
    def done(self) -> int:
        """Attempts with a rollout."""
        return len(self.keys) + self.plain

    @property
    def open_failures(self) -> list[tuple[str, bool]]:
        """The last failure of each attempt that is asked for and not done: its class, and whether it is final.

        The sidecar may hold lines of an earlier collection of other inputs. Lines without numbers count as far as
        attempts are missing.
        """
        known = [
            failure
            for key, failure in self.failures_of.items()
            if key not in self.keys and (key in self.asked_keys or not self.asked_keys)
        ]
        missing = max(0, self.asked - self.done - len(known))
        return known + [(name, False) for name in self.failed_plain[:missing]]

    @property
    def failed(self) -> int:
        """Attempts that failed and are not done."""
        return len(self.open_failures)

    @property
    def classes(self) -> Counter[str]:
        """How many of them each class of failure has."""
        return Counter(name for name, _ in self.open_failures)

    @property
    def mean(self) -> float | None:
        """The mean reward of rollouts that are not masked."""
        return self.rewards / self.rewarded if self.rewarded else None

    @property
    def whole(self) -> bool:
        """Say whether every attempt that was asked for is done."""
        return 0 < self.asked <= self.done


def key_of(row: Row) -> Key | None:
    """Which attempt at which task of which environment a line is of; None where it does not say."""
    task, rollout = index(row.get("_ng_task_index")), index(row.get("_ng_rollout_index"))
    return None if task is None or rollout is None else ("", task, rollout)
