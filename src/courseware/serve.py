"""A web server for the built pages, for this machine alone."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    extensions_map = {  # noqa: RUF012 (the base class has it as a plain dictionary)
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".ipynb": "application/json",
        ".svg": "image/svg+xml",
    }

    def end_headers(self) -> None:
        """Ask browsers to look again: pages change with every build."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def make_server(pages: Path, port: int = 8000) -> ThreadingHTTPServer:
    """Return a server for `pages` at 127.0.0.1, on `port` or, if that is taken, on a free one."""
    handler = partial(Handler, directory=str(pages))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)
