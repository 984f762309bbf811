"""Serves the built site to this machine as GitHub Pages serves it: packed, and with 404.html for what is not there."""

from __future__ import annotations

import functools
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

#: Files that a host packs on their way.
TEXTS = frozenset({".css", ".html", ".js", ".json", ".md", ".svg", ".txt", ".xml"})
NOT_FOUND = "404.html"


@functools.cache
def packed(path: Path, changed: int) -> bytes:
    """A file's content, packed; ``changed`` is when the file was, so that another one is packed anew."""
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)


class Host(SimpleHTTPRequestHandler):
    """Hands out files and says nothing of it."""

    protocol_version = "HTTP/1.1"  # a browser asks for one file after the other without a new connection
    extensions_map: ClassVar = {**SimpleHTTPRequestHandler.extensions_map, ".md": "text/markdown; charset=utf-8"}

    def do_GET(self) -> None:
        """Hand out a file, packed where the browser takes that."""
        path = Path(self.translate_path(self.path))
        if path.is_dir() and self.path.partition("?")[0].endswith("/"):
            path /= "index.html"
        if path.is_file() and path.suffix in TEXTS and "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send(HTTPStatus.OK, path)
        else:
            super().do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Hand out the site's own page for an address that it does not have."""
        page = Path(self.directory, NOT_FOUND)
        if code == HTTPStatus.NOT_FOUND and page.is_file() and "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send(HTTPStatus.NOT_FOUND, page)
        else:
            super().send_error(code, message, explain)

    def _send(self, status: HTTPStatus, path: Path) -> None:
        body = packed(path, path.stat().st_mtime_ns)
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Leave out the line that each request would print."""


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder to this machine; gives the address, which ends in a slash."""
    with ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Host, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
