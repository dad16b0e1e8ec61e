"""A local server whose answers follow a script: whole, broken off, late or wrong."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Server:
    """Serves ``body``: each request gets the next answer of ``script``, then :func:`whole`.

    ``asked``: the Range header of every request, in order.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.script: list[Callable[[Request], None]] = []
        self.asked: list[str | None] = []
        self.closing = Event()
        self.address = ""

    @property
    def url(self) -> str:
        return f"{self.address}/data.tar.gz"


class Request(BaseHTTPRequestHandler):
    """A request, with the methods that answers use."""

    server_of: Server

    def do_GET(self) -> None:
        server = self.server_of
        server.asked.append(self.headers.get("Range"))
        answer = server.script.pop(0) if server.script else whole
        answer(self)

    def start(self) -> int:
        """The first byte that is requested."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def whole(request: Request) -> None:
    """Send the body from the requested byte on."""
    cut(None)(request)


def cut(count: int | None) -> Callable[[Request], None]:
    """Announce all requested bytes, but send only ``count`` of them."""

    def answer(request: Request) -> None:
        body, start = request.server_of.body, request.start()
        if start >= len(body):
            return request.head(416, Content_Range=f"bytes */{len(body)}")
        ranged = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        request.head(206 if start else 200, Content_Length=len(body) - start, **ranged)
        request.wfile.write(body[start:] if count is None else body[start : start + count])

    return answer


def stall(count: int) -> Callable[[Request], None]:
    """Send as :func:`cut` does, then keep the connection open and silent."""

    def answer(request: Request) -> None:
        cut(count)(request)
        request.wfile.flush()
        request.server_of.closing.wait(20)

    return answer


def no_ranges(count: int | None = None) -> Callable[[Request], None]:
    """Send the body from its beginning, whatever is requested."""

    def answer(request: Request) -> None:
        body = request.server_of.body
        request.head(200, Content_Length=len(body))
        request.wfile.write(body if count is None else body[:count])

    return answer


def says(status: int, body: bytes = b"", **headers: object) -> Callable[[Request], None]:
    """Send this status, these headers and this body."""

    def answer(request: Request) -> None:
        request.head(status, **headers)
        request.wfile.write(body)

    return answer


@contextmanager
def serving(body: bytes) -> Iterator[Server]:
    """Run a server at a free port of this machine."""
    server = Server(body)
    handler = type("Handler", (Request,), {"server_of": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.handle_error = lambda *of: None  # type: ignore[method-assign]  # clients that hang up are expected
        server.address = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.closing.set()
            http.shutdown()
