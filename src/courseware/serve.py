"""A web server for the built pages, for this machine alone; it compresses, as the book's host does."""

import gzip
import os
import sys
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".ipynb", ".txt"}


class Handler(SimpleHTTPRequestHandler):
    """Serves a book's files under ``prefix``, its page 404.html for what is missing, and says nothing."""

    protocol_version = "HTTP/1.1"  # connections last, as everywhere on the web
    extensions_map = {  # noqa: RUF012 (the base class has it as a plain dictionary)
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".ipynb": "application/json",
        ".svg": "image/svg+xml",
        ".webp": "image/webp",
        ".woff2": "font/woff2",
    }

    def __init__(self, *args: Any, prefix: str = "/", **options: Any) -> None:
        self.prefix = prefix
        super().__init__(*args, **options)

    def translate_path(self, path: str) -> str:
        """Return the file under an address; outside the prefix there is none."""
        if not path.startswith(self.prefix):
            return os.devnull
        return super().translate_path("/" + path.removeprefix(self.prefix))

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Send the headers and return the body: compressed where that helps and the browser takes it."""
        path = Path(self.translate_path(self.path))
        status = HTTPStatus.OK
        if path.is_dir() and self.path.partition("?")[0].endswith("/"):
            path /= "index.html"
        elif path.is_dir():
            return super().send_head()  # sends the browser to the address with the slash
        if not path.is_file():
            path, status = Path(self.directory, "404.html"), HTTPStatus.NOT_FOUND
            if not path.is_file():
                self.send_error(status)
                return None
        zipped = path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", "")
        body = _gzipped(path, path.stat().st_mtime_ns) if zipped else path.read_bytes()
        self.send_response(status)
        self.send_header("Content-Type", self._type(path))
        self.send_header("Content-Length", str(len(body)))
        if path.suffix in COMPRESSED:
            self.send_header("Vary", "Accept-Encoding")
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        return BytesIO(body)

    def _type(self, path: Path) -> str:
        kind = self.guess_type(path)
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def end_headers(self) -> None:
        """Ask browsers to look again: pages change with every build."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Serves many at once, and lets go of who hangs up without a word: a browser does when it is closed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of any other failure."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@lru_cache(maxsize=256)
def _gzipped(path: Path, modified: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)


def make_server(pages: Path, port: int = 8000, prefix: str = "/") -> Server:
    """Return a server for `pages` at 127.0.0.1, on `port` or, if that is taken, on a free one.

    Args:
        pages: the folder of built pages.
        port: 0 for any free one.
        prefix: the path under which the pages are, such as "/convbook/".
    """
    handler = partial(Handler, directory=str(pages), prefix=prefix)
    try:
        return Server(("127.0.0.1", port), handler)
    except OSError:
        return Server(("127.0.0.1", 0), handler)
