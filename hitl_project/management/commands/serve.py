"""The one-process mode: web, live updates, worker and scheduler as one command."""

import logging
import os
import signal
import socket
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from hitl_project import embedded
from hitl_project.env import stop
from reviews.alive import pending_migrations
from reviews.live import end_waiting

# How long after the signal open requests may go on, then running tasks; after the last of these
# the process ends whatever still hangs.
REQUESTS_MAY_TAKE = 1
TASKS_MAY_TAKE = 3.0
AT_MOST = 4.5


class Server(uvicorn.Server):
    """A server that tells worker and scheduler of a signal at once, and ends in time for sure."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            end_waiting()
            # In a thread of its own: the signal may have come while this one held a lock.
            threading.Thread(target=embedded.halt_threads, daemon=True).start()
            last = threading.Timer(AT_MOST, end_now)
            last.daemon = True
            last.start()
        super().handle_exit(sig, frame)


def end_now() -> None:
    """End the process although something hangs in a call to the outside.

    What was unfinished is a row in the database and is taken up again at the next start.
    """
    logging.shutdown()
    os._exit(0)


class Command(BaseCommand):
    help = "Serve web, live updates, worker and scheduler from one process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.PORT, help="0 takes a free one")

    def handle(self, *_args: Any, host: str, port: int, **_options: Any) -> None:
        self._refuse_pending_migrations()
        held = embedded.sole_process(settings.HITL_DATA_DIR)
        if held is None:
            stop(
                f"HITL_DATA_DIR {str(settings.HITL_DATA_DIR)!r} is served by another process; "
                "stop that one, or give another folder."
            )
        listener = _listen(host, port)
        port = listener.getsockname()[1]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if not settings.BASE_URL_GIVEN:
            # The port is known only now; links in mails and receipts must lead here.
            settings.BASE_URL = address
            settings.CSRF_TRUSTED_ORIGINS = [address]

        # From here on SIGTERM means what Ctrl+C means, also while the application is loading.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._serve(listener, address)
        except KeyboardInterrupt:
            pass  # servers raise the signal they caught again when all is done
        for late in (signal.SIGINT, signal.SIGTERM):
            signal.signal(late, signal.SIG_IGN)
        if not embedded.stop_threads(TASKS_MAY_TAKE):
            end_now()
        held.close()

    def _serve(self, listener: socket.socket, address: str) -> None:
        from hitl_project.asgi import application

        server = Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws_max_size=65_536,
                # Hints are short; compressing them costs more than it saves.
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=REQUESTS_MAY_TAKE,
            )
        )
        embedded.start_threads()
        self.stdout.write(f"Serving {address} (stop with Ctrl+C)")
        self.stdout.flush()
        server.run(sockets=[listener])

    @staticmethod
    def _refuse_pending_migrations() -> None:
        try:
            pending = pending_migrations()
        except DatabaseError as fault:
            stop(f"DATABASE_URL names a database that does not answer: {str(fault).strip()}")
        if pending:
            stop(f"The database needs {len(pending)} migrations; run `manage.py migrate` first.")


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, or end the process with a sentence that names the way out."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        stop(f"PORT {port} on {host} cannot be used ({reason}); give another with PORT=.")
