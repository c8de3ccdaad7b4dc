"""Somebody else's server inside a proof: it keeps what comes and answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings


class Receiver:
    """What came, as (headers with small names, body); `status` and `more` are the answer."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.more: dict[str, str] = {}
        self.url = ""

    @property
    def ids(self) -> set[str]:
        return {headers["webhook-id"] for headers, _ in self.messages}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve on a port of this machine that the operator lists."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.messages.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(here.status)
            for name, value in {"Content-Length": "0", **here.more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    here.url = f"http://127.0.0.1:{server.server_port}/hook"
    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", str(server.server_port)),)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield here
    finally:
        settings.HITL_OUTBOUND_ALLOWED = ()
        server.shutdown()
        server.server_close()
