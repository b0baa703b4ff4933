"""A small web server that can misbehave."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site:
    """Files by path, and how they are served.

    Attributes:
        files: content by path, such as "/a.tar.gz".
        ranges: whether the server can begin in the middle.
        cut: close the connection after this many bytes of an answer.
        stall: fall silent after this many bytes instead.
        pace: seconds of rest a kilobyte.
        wrong_range: answer every range with the file's beginning, labelled so.
        requests: (path, first byte asked for) of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut: int | None = None
        self.stall: int | None = None
        self.pace = 0.0
        self.wrong_range = False
        self.requests: list[tuple[str, int]] = []
        self.closed = threading.Event()


@contextmanager
def serve() -> Iterator[Site]:
    """Run a site on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = int(asked[1]) if asked else 0
            site.requests.append((self.path, first))
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            if asked and site.ranges:
                if first >= len(content):
                    self.send_error(416)
                    return
                first = 0 if site.wrong_range else first
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
                content = content[first:]
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.send(content)

        def send(self, content: bytes) -> None:
            end = min(x for x in (len(content), site.cut, site.stall) if x is not None)
            try:
                for start in range(0, end, 1024):
                    self.wfile.write(content[start : min(start + 1024, end)])
                    if site.pace:
                        time.sleep(site.pace)
                if site.stall is not None:
                    self.wfile.flush()
                    site.closed.wait()
            except OSError:
                pass  # the client went away

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()
