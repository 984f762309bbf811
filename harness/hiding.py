"""Hide from a page's Python what its reader has not installed: each runs this as it starts (`harness.reader`)."""

import os
import re
import sys
from importlib.machinery import PathFinder


class _Hiding(PathFinder):
    """Finds modules and distributions as Python does, but for the hidden ones, which are not there."""

    listed = os.environ["HARNESS_HIDDEN"]

    @classmethod
    def _hides(cls, kind, name):
        # Read each time: the page may have installed it by now.
        with open(cls.listed, encoding="utf-8") as rows:
            return f"{kind} {name}\n" in rows

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if path is None and fullname in _MODULES and cls._hides("module", fullname):
            # A module of the page's own may have the name, or one that another distribution brings along.
            installed = [each for each in sys.path if os.path.basename(each) == "site-packages" or each in _SOURCES]
            elsewhere = [each for each in sys.path if each not in installed]
            return PathFinder.find_spec(fullname, elsewhere, target)
        return PathFinder.find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **keywords):
        (context,) = (*arguments, *keywords.values()) or (None,)
        name = re.sub(r"[-_.]+", "-", getattr(context, "name", None) or "").lower()
        if name and cls._hides("distribution", name):
            return iter(())
        return PathFinder.find_distributions(*arguments, **keywords)


with open(_Hiding.listed, encoding="utf-8") as _rows:
    _HIDDEN = [row.rstrip("\n").partition(" ") for row in _rows]
_MODULES = frozenset(name for kind, _, name in _HIDDEN if kind == "module")
_SOURCES = frozenset(name for kind, _, name in _HIDDEN if kind == "sources")
sys.meta_path[:] = [_Hiding if each is PathFinder else each for each in sys.meta_path]
