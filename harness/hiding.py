"""Hide from a page's Python the modules that its reader has not installed: `harness.reader` has each run this."""

import os
import sys
from importlib.machinery import PathFinder


class _Hidden:
    """Finds, before everyone else, that a hidden module of the environment is not there."""

    def __init__(self, path):
        self.path = path
        self.names = self._read()

    def _read(self):
        with open(self.path, encoding="utf-8") as names:
            return frozenset(names.read().split("\n"))

    def find_spec(self, name, path=None, target=None):
        if path is not None or name not in self.names:
            return None
        elsewhere = [each for each in sys.path if os.path.basename(each) != "site-packages"]
        found = PathFinder.find_spec(name, elsewhere)
        if found and found.loader:  # a module of the page's own, or one that another brings along, not just a folder
            return None
        self.names = self._read()  # the page may have installed it by now
        if name not in self.names:
            return None
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Hidden(os.environ["HARNESS_HIDDEN"]))
