"""What a page claims of releases: held against what the published wheels of NeMo Gym have.

`` {release}`since 0.6 <task_source>` `` is such a claim: the words that the reader sees, and between the brackets the
names that make it true, in ``docs/_data/releases.json``, which ``nox -s releases`` writes from the wheels.

======================  =========================================================================================
``since 0.6 <NAME>``    no release before 0.6 has the name, and each from 0.6 to the pinned one has it
``before 0.6 <NAME>``   the release before 0.6 has it, none from 0.6 on has it
``up to 0.5 <NAME>``    0.5 has it, none after it has it
``in 0.5 <NAME>``       0.5 has it; so do ``0.5`` alone, and a patch release such as ``0.5.1``
``<no NAME>``           turns having into lacking
======================  =========================================================================================

Several names have commas between them. A name is a command (``gym eval run``), one with a flag, an old command
(``ng_run``), a symbol (``nemo_gym.prompt.PromptConfig``), a server, a field or key, or a fact that
``docs/_data/release-facts.toml`` defines by what a file of the wheel says.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROLE = "release"
#: Sphinx's directives about releases, in whose place stands the role.
DIRECTIVES = ("versionadded", "versionchanged", "deprecated")

_NUMBER = r"\d+\.\d+(?:\.\d+)?"
_CLAIM = re.compile(
    rf"(?:(?P<relation>since|from|before|up to|in|of) )?(?:NeMo Gym )?(?P<release>{_NUMBER})"
    r"(?P<on> (?:and|or) (?:later|newer)| on)?",
    re.IGNORECASE,
)

_WORDS = (
    "since|before|until|up to|as of|prior to|older than|newer than|earlier than|later than|through|after|"
    "starting (?:with|in|from)|(?:introduced|added|removed|deprecated|renamed|new|gone|dropped|changed) (?:in|by|with)"
)
_VERBS = "wrote|writes|reads?|had|adds|added|removes|removed|introduced|dropped|drops|renamed"
#: What a release did to what was there before it, as against what it does.
_CHANGES = "added|removed|introduced|introduces|dropped|renamed|deprecated|deprecates|brought|gained|lost|replaced"
_GYM = r"(?:NeMo[ -]Gym|nemo-gym|(?<!NeMo )(?<![\w-])Gym)(?:'s)? ?(?:[<>=~]=?)? ?(?:release |version )?v?"
_BARE = (
    re.compile(rf"{_GYM}(?P<release>{_NUMBER}|\d+\.x)(?!\w)", re.IGNORECASE),
    re.compile(
        rf"(?<![\w-])(?:{_WORDS}) (?:the )?(?:release |version |v)?(?P<release>{_NUMBER})(?![\w%]|\.\d)", re.IGNORECASE
    ),
    re.compile(
        rf"(?<![\w.])v?(?P<release>{_NUMBER})(?:\+| onwards?| on\b|"
        r" (?:and|or) (?:later|newer|earlier|older|above|below|before|after|up)\b)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?<![\w-])(?:releases?|versions?) (?P<release>{_NUMBER})(?![\w%]|\.\d)", re.IGNORECASE),
    re.compile(rf"(?<![\w.])(?P<release>{_NUMBER}) (?:{_VERBS})\b", re.IGNORECASE),
    re.compile(rf"(?<![\w.])(?P<release>{_NUMBER}) (?:releases?|series|line|is the (?:first|last|oldest|newest))\b"),
    re.compile(rf"\b(?:releases?|versions?)\b[^.()]{{0,12}}\((?P<release>{_NUMBER})\)", re.IGNORECASE),
    re.compile(rf"(?<!results )(?<!result )\bin (?P<release>{_NUMBER})(?=,| it\b| the\b| there\b)", re.IGNORECASE),
)
#: The same where the sentence has a name that some release has, in code: without one it may be about any number.
_BESIDE_A_NAME = (
    re.compile(
        rf"(?<![\w.])v?(?P<release>{_NUMBER}) (?:also |first )?(?:has|lacks|lacked|knows|knew|ships|shipped|brings|"
        r"brought|gains|gained|introduces|deprecates|deprecated|renames|supports|supported|takes|took)\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:gained|got|lost|shipped|arrived|came|comes|appeared|works|worked|went)\b[^.]{0,40}?\b(?:with|in) "
        rf"(?P<release>{_NUMBER})(?=[.,;:)](?!\d)|$)",
        re.IGNORECASE,
    ),
    re.compile(rf"\bfrom v?(?P<release>{_NUMBER})(?=,)", re.IGNORECASE),
    re.compile(rf"^\W*between v?{_NUMBER} and v?(?P<release>{_NUMBER})(?=,| \0)", re.IGNORECASE),
    re.compile(rf"^\W*in v?(?P<release>{_NUMBER}) \0", re.IGNORECASE),
)
#: What a number between 0 and 1 usually measures, and what tells that it is a release all the same.
_MEASURED = re.compile(
    r"(?<![\w-])(?:rewards?|temperatures?|thresholds?|rates?|shares?|scores?|probability|probabilities|chances?|loss(?:es)?|"
    r"accuracy|accuracies|weights?|similarit(?:y|ies)|means?|averages?|fractions?|advantages?|margins?|confidence|"
    r"correlations?|pass@\w+|credit|top_p)(?![\w-])",
    re.IGNORECASE,
)
_SAYS_RELEASE = re.compile(r"\b(?:releases?|versions?|wheels?|upgrad\w+)\b", re.IGNORECASE)
_SURELY = re.compile(
    r"\b(?:since|as of|prior|older|newer|earlier|later|onwards?|starting|introduced|added|removed|deprecated|renamed|"
    r"new|gone|dropped)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(r"^up to |\b(?:and|or) (?:above|below|up)$", re.IGNORECASE)
_PYTHON = re.compile(r"\bPython (?:>=? ?|version )?(?P<version>\d+(?:\.\d+)+)")
_THREE = re.compile(r"(?<![\w.])v?(?P<version>\d+\.\d+\.\d+)(?![\w]|\.\d)")


@dataclass(frozen=True)
class Releases:
    """The published releases, oldest first, and which of them has each name."""

    versions: tuple[str, ...]
    having: Mapping[str, frozenset[str]]

    def of(self, number: str) -> tuple[str, ...]:
        """The releases that a number stands for: ``0.5`` for 0.5.0 and 0.5.1."""
        return tuple(version for version in self.versions if version == number or version.startswith(f"{number}."))

    def nearest(self, name: str) -> str | None:
        close = difflib.get_close_matches(name, self.having, n=1)
        return close[0] if close else None


@cache
def load(data: Path) -> Releases:
    """What ``releases.json`` below a site's data folder says."""
    found = json.loads((data / "releases.json").read_text(encoding="utf-8"))
    versions = tuple(found["versions"])
    having: dict[str, set[str]] = {}
    for span, names in found["names"].items():
        releases = {version for version, mark in zip(versions, span, strict=True) if mark == "+"}
        for name in names.split("|"):
            having.setdefault(name, set()).update(releases)
    return Releases(versions, {name: frozenset(releases) for name, releases in having.items()})


def parts(content: str) -> tuple[str, list[str]]:
    """What a role shows, and the names that it rests on."""
    found = re.fullmatch(r"(?P<shown>.*?)\s*<(?P<names>[^<>]+)>", " ".join(content.split()))
    if found is None:
        return content, []
    return found["shown"], [name.strip() for name in found["names"].split(",") if name.strip()]


def shown(content: str) -> str:
    """The words that the reader sees: the claim, with the name of the program before its number."""
    words = parts(content)[0]
    return words if re.search("gym", words, re.IGNORECASE) else re.sub(rf"(?={_NUMBER})", "NeMo Gym ", words, count=1)


def fault_of(content: str, known: Releases, pinned: str) -> str:
    """What is wrong with a claim; nothing where it is right."""
    words, names = parts(content)
    claim = _CLAIM.fullmatch(words)
    example = "{release}`since 0.6 <task_source>`"
    if claim is None or not names:
        return f"expected a claim and the names that it rests on, such as {example}; found `{content}`"
    number, relation = claim["release"], (claim["relation"] or "in").lower()
    if claim["on"]:
        relation = "since"
    meant = known.of(number)
    if not meant:
        return f"no release {number} of NeMo Gym: PyPI has {', '.join(known.versions)}"
    upto_pin = known.versions[: known.versions.index(pinned) + 1] if pinned in known.versions else known.versions
    first, last = upto_pin.index(meant[0]), upto_pin.index(meant[-1])
    before, after = upto_pin[:first], upto_pin[last + 1 :]
    for name in names:
        lacks = name.startswith("no ")
        name = name.removeprefix("no ").strip()
        if name not in known.having:
            near = known.nearest(name)
            return f"no release of NeMo Gym has `{name}`" + (f"; the nearest is `{near}`" if near else "")
        having = known.having[name]
        has = {version: (version in having) is not lacks for version in upto_pin}
        match relation:
            case "since" | "from":
                right = bool(before) and not any(has[v] for v in before) and all(has[v] for v in (*meant, *after))
            case "before":
                right = bool(before) and has[before[-1]] and not any(has[v] for v in (*meant, *after))
            case "up to":
                right = has[meant[-1]] and bool(after) and not any(has[v] for v in after)
            case _:
                right = all(has[v] for v in meant)
        if not right:
            those = ", ".join(v for v in upto_pin if v in having) or "none"
            span = f"{upto_pin[0]} to {upto_pin[-1]}"
            return f"`{words}` is not so of `{name}`: of {span}, these releases have it: {those}"
    return ""


def bare_claims(
    text: str, known: Releases, pinned: str, others: Mapping[str, tuple[str, ...]], codes: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Each claim of a sentence about releases of NeMo Gym outside of the role, with what to write instead.

    Args:
        text: the sentence, without its codes.
        known: the published releases.
        pinned: the release that the site is about.
        others: how prose calls other programs: a release behind such a name is not NeMo Gym's.
        codes: what the sentence has in code.
    """
    seen: set[int] = set()
    patterns = (*_BARE, *(_BESIDE_A_NAME if any(code in known.having for code in codes) else ()))
    for number, pattern in enumerate(patterns):
        for found in pattern.finditer(text):
            release, at = found["release"], found.start("release")
            named = number == 0
            if at in seen or (named and release == pinned and not _relates(text[: found.start()], text[found.end() :])):
                seen.add(at)
                continue
            before = text[: found.start("release")][-40:]
            if not named and not known.of(release):
                continue
            if not named and _is_measure(text, found, codes, pattern in _BESIDE_A_NAME):
                continue
            if not named and re.search(rf"(?:{'|'.join(map(re.escape, others))}|Python)\W*(?:\w+ )?$", before):
                continue
            seen.add(at)
            said = found[0].replace("\0", "...")
            if not known.of(release):
                yield said, f"no release {release} of NeMo Gym is published; this site is about {pinned}"
                continue
            yield (
                said,
                f"a claim about releases, `{said}`: say it with the role, which is held against the published "
                f"wheels: {{release}}`since {release} <NAME>` (or before, up to, in), where NAME is what came or went",
            )


def _is_measure(text: str, found: re.Match[str], codes: Sequence[str], loose: bool) -> bool:
    """Whether a number that could be a release is one that the sentence measures: a reward up to 0.5.

    What is measured may stand in code, `` `reward` ``; that counts where the words compare, or say little (``loose``).
    """
    if _SAYS_RELEASE.search(text) or _SURELY.search(found[0]):
        return False
    around = text[max(0, found.start() - 80) : found.end() + 40]
    compared = (loose or _COMPARED.search(found[0]) is not None) and any(_MEASURED.search(code) for code in codes)
    return _MEASURED.search(around) is not None or compared


def refused_directive(name: str) -> str:
    """What is wrong with a directive about releases: nothing says of what, and so nobody can hold it against them."""
    claim = "before 0.6 <NAME>" if name == "deprecated" else "since 0.6 <NAME>"
    return (
        f"a claim about releases, `{{{name}}}`, that nothing is held against: write a sentence with the role "
        f"{{release}}`{claim}` in place of the directive, where NAME is what came, changed or went"
    )


def wrong_pin(text: str, pinned: str) -> str:
    """What is wrong with a requirement in code, ``nemo-gym==0.7.0``; nothing where it is the pinned release's."""
    for found in re.finditer(rf"nemo[-_]gym(?:\[\w+\])?\s?[<>=~!]=?\s?(?P<release>{_NUMBER})", text):
        if found["release"] != pinned:
            return f"this site is about nemo-gym {pinned}; found `{found[0]}`"
    return ""


def _relates(before: str, behind: str) -> bool:
    """Whether the words around a release say that something came or went with it."""
    return bool(
        re.search(rf"(?:{_WORDS}) $", before, re.IGNORECASE)
        or re.match(rf" (?:and|or) (?:later|newer|earlier|older)| on\b|\+| (?:first )?(?:{_CHANGES})\b", behind)
    )


def wrong_versions(
    text: str, pinned: str, requires: str, others: Mapping[str, tuple[str, ...]], own: str
) -> Iterator[tuple[str, str]]:
    """Each version of a program in a sentence that is none which the site knows, with what is known.

    Args:
        text: the sentence, without its codes.
        pinned: NeMo Gym's version.
        requires: the Python that the pinned release asks for, as its metadata says it: ``>=3.13.14``.
        others: the versions of other programs by how prose calls them.
        own: all of the page's snippets.
    """
    asked = requires.lstrip("><=~ ")
    minor = ".".join(asked.split(".")[:2])
    for found in _PYTHON.finditer(text):
        version = found["version"]
        if version not in (minor, asked) and not re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", own):
            asks = f"NeMo Gym {pinned} asks for Python {requires}"
            yield found[0], f"{asks}, and the tests run on {minor}; found {version}"
    known = {version for versions in others.values() for version in versions} | {pinned, asked}
    for title, versions in others.items():
        cited = rf"(?<![\w-]){re.escape(title)} (?:version |release )?v?(?P<version>\d+(?:\.\d+)+)"
        for found in re.finditer(cited, text):
            if not any(f"{each}.".startswith(f"{found['version']}.") for each in versions):
                yield found[0], f"docs/_data knows {title} {', '.join(versions)}; found {found['version']}"
    for found in _THREE.finditer(text):
        version = found["version"]
        # What NeMo Gym, Python and other programs have behind their names was judged above.
        titles = "|".join(["Gym", "Python", *map(re.escape, others)])
        named = re.search(rf"(?:{titles})\W*(?:version |release )?$", text[: found.start()])
        if version not in known and not named and version not in own:
            message = f"no program of docs/_data/programs.toml has the version {version}, nor does a snippet name it"
            yield found[0], message
