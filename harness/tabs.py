"""Tabs are alternatives: the ways in which readers go through a page, of which each is followed on its own.

A reader opens one tab of a set, does what it says, and goes on below the set. So a tab must work on what stands above
the set, whatever the other tabs do, and what stands below must work after each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.blocks import Block, Tab


@dataclass(frozen=True)
class Reading:
    """The blocks that one reader follows, in order, and the titles of the tabs that this reader opens."""

    blocks: tuple[Block, ...]
    opened: tuple[str, ...] = ()


def readings(blocks: Sequence[Block], follows: Callable[[Block], bool]) -> list[Reading]:
    """The readings that together hold every block, and show every tab with what stands below its set.

    The first opens, of each set, the first tab that can be followed. Each other one opens another tab, with those that
    open beside it (``:sync:``), and is else like the first. Where ``follows`` does not hold for a block of that tab,
    the reading ends with the tab: what its reader then has is not known here.

    Args:
        blocks: all of a page, in order.
        follows: whether a block is followed here, rather than merely shown.
    """
    sets: dict[int, list[Tab]] = {}
    for block in blocks:
        for tab in block.tabs:
            if tab not in sets.setdefault(tab.set, []):
                sets[tab.set].append(tab)

    def inside(tab: Tab) -> list[Block]:
        return [block for block in blocks if tab in block.tabs]

    def works(tab: Tab) -> bool:
        return all(map(follows, inside(tab)))

    first = {number: next(filter(works, tabs), tabs[0]) for number, tabs in sets.items()}
    found = [Reading(_seen(blocks, first))]
    for tabs in sets.values():
        for tab in tabs:
            opened = first | {beside.set: beside for others in sets.values() for beside in others if tab.opens(beside)}
            opened |= {above.set: above for block in inside(tab) for above in block.tabs[: block.tabs.index(tab) + 1]}
            seen = _seen(blocks, opened)
            if not works(tab):
                seen = seen[: seen.index(inside(tab)[-1]) + 1] if inside(tab)[-1] in seen else seen
            titles = tuple(each.title for number, each in opened.items() if each != first[number])
            lines = {block.line for block in seen}
            if not any(lines <= {block.line for block in other.blocks} for other in found):
                found.append(Reading(seen, titles))
    return found


def _seen(blocks: Sequence[Block], opened: dict[int, Tab]) -> tuple[Block, ...]:
    return tuple(block for block in blocks if all(opened[tab.set] == tab for tab in block.tabs))
